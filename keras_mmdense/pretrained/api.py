"""Build, load and save networks, with or without trained weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_mmdense.configs import ModelConfig
from keras_mmdense.errors import InputError
from keras_mmdense.models import registry
from keras_mmdense.models.weights_file import load_weights
from keras_mmdense.pretrained.catalog import DESCRIPTION, WEIGHTS, list_weights, network_folder
from keras_mmdense.pretrained.network_card import NetworkCard
from keras_mmdense.pretrained.networks import (
    NetworkSpec,
    load_network,
    read_description,
    save_network,
)


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """List the networks of the zoo, or those that come with trained weights.

    Args:
        pattern: str. Shell pattern that names must match, such as `"mm*"`. Defaults to `"*"`.
        pretrained: bool. List what `load_model` takes instead of what `build` takes. Defaults to
            `False`.

    Returns:
        A sorted list of names.

    Example:

    >>> keras_mmdense.list_models("mm*")
    ['mmdenselstm', 'mmdensenet']
    """
    if pretrained:
        return list_weights(pattern)
    return registry.list_models(pattern)


def build(
    name: str | ModelConfig = "mmdensenet",
    *,
    targets: Sequence[str] | None = None,
    bins: int | None = None,
    frames: int | None = None,
    channels: int | None = None,
    weights: str | Path | None = None,
    **overrides: Any,
) -> keras.Model:
    """Build a network: magnitude of the mixture in, magnitudes of the targets out.

    Args:
        name: str or `ModelConfig`. A name that `list_models` returns, a JSON file with a table, or
            a table. Defaults to `"mmdensenet"`.
        targets: Sequence of str. Names of what the network estimates. Defaults to those of the
            trained network that `weights` names, otherwise to `("vocals",)`.
        bins: int. Frequency bins of the spectrogram, `n_fft / 2 + 1`. Defaults to those of the
            trained network, otherwise to those of the table.
        frames: int. Frames of the spectrogram. Defaults to `None`: any number from 1 up.
        channels: int. Audio channels. Defaults to those of the trained network, otherwise to 2.
        weights: str or path. A trained network that `list_models(pretrained=True)` returns, the
            folder of one, or a `.weights.h5` file. Defaults to `None`: random weights.
        **overrides: Fields of the table to replace, such as `output="magnitude"`.

    Returns:
        A functional `keras.Model`, float32.

    Input shape:
        `(batch, frames, bins, channels)`, magnitudes of 0 or more.

    Output shape:
        That of the input for one target, otherwise `(batch, targets, frames, bins, channels)`.

    Raises:
        InputError: If the name or the weights are unknown, or the weights are those of another
            network.
        ValueError: If an argument is out of range.

    Example:

    >>> model = keras_mmdense.build("tiny", targets=("vocals", "drums"))
    >>> model.output_shape
    (None, 2, None, 1025, 2)
    """
    config = name if isinstance(name, ModelConfig) else registry.model_config(name)
    trained, path = _find_weights(weights)
    if trained is not None:
        targets = trained.targets if targets is None else targets
        bins = trained.bins if bins is None else bins
        channels = trained.channels if channels is None else channels
        if tuple(targets) != trained.targets:
            raise InputError(
                f"{weights}: weights for the targets {', '.join(trained.targets)}, received "
                f"targets={targets!r}"
            )
    targets = ("vocals",) if targets is None else targets
    channels = 2 if channels is None else channels
    config = registry.override(config, overrides)
    bins = config.bins if bins is None else bins
    model = registry.build(config, targets=targets, bins=bins, frames=frames, channels=channels)
    if path is not None:
        load_weights(model, path)
    model.spec = NetworkSpec(config, tuple(targets), bins, channels)
    return model


def load_model(name: str | Path) -> keras.Model:
    """Load a trained network.

    Args:
        name: str or path. A name that `list_models(pretrained=True)` returns, a folder that `train`
            or `save_model` wrote, or a `.keras` file of a network or of a whole separation graph.

    Returns:
        A `keras.Model` with its weights, not compiled. A network takes magnitudes of the mixture,
        `(batch, frames, bins, channels)` float32, and returns those of its targets, see `build`.

    Raises:
        InputError: If there is no such network, or its files are damaged.

    Example:

    >>> model = keras_mmdense.load_model("mdensenet_cws_4stems")
    >>> model.output_shape
    (None, 4, None, 2049, 2)
    """
    path = Path(name)
    if path.suffix != ".keras":
        spec, model = load_network(name)
        model.spec = spec
        return model
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # damaged files: zip, key, JSON and value errors
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(f"{path}: Keras cannot load it: {reason}") from error


def save_model(
    model: keras.Model,
    folder: str | Path,
    *,
    config: str | ModelConfig | None = None,
    targets: Sequence[str] | None = None,
    card: NetworkCard | None = None,
) -> None:
    """Save a network as a folder that `load_model`, `Separator` and every command take.

    Args:
        model: `keras.Model`. A network of the zoo.
        folder: str or path. Folder to write to; created if it is missing. A network in it is
            replaced.
        config: str or `ModelConfig`. The network's table or its name. Required, with
            `targets`, for a model that neither `build` nor `load_model` returned, such as that of a
            `.keras` file. Defaults to `None`.
        targets: Sequence of str. Names of what the network estimates, in the order of its output.
            Defaults to `None`.
        card: `NetworkCard`. License, training data and scores. Defaults to `None`: unknown.

    Raises:
        InputError: If the folder cannot be written.
        ValueError: If the table is not known, or the model is not a network of that table.

    Example:

    >>> model = keras_mmdense.build("tiny", targets=("vocals",))
    >>> keras_mmdense.save_model(model, "runs/tiny")
    """
    if config is None and targets is None:
        spec = getattr(model, "spec", None)
        if not isinstance(spec, NetworkSpec):
            raise ValueError(
                f"the table of {model.name!r} is not known, as neither build nor load_model made "
                "it; give config and targets"
            )
    elif config is None or targets is None:
        raise ValueError("config and targets must be given together")
    else:
        table = config if isinstance(config, ModelConfig) else registry.model_config(config)
        shape = model.input_shape
        if len(shape) != 4:
            raise ValueError(f"expected a network from magnitudes, received input shape {shape}")
        spec = NetworkSpec(table, tuple(targets), shape[2], shape[3])
        built = spec.build()
        if _shapes(built) != _shapes(model) or len(built.output_shape) != len(model.output_shape):
            raise ValueError(f"{model.name!r} is not the network {table.name} for {targets!r}")
    save_network(folder, spec, model, card)


def _find_weights(weights: str | Path | None) -> tuple[NetworkSpec | None, Path | None]:
    """Return the spec of a network's weights, if it is known, and their file."""
    if weights is None:
        return None, None
    if Path(weights).name.endswith(".weights.h5"):
        return None, Path(weights)
    folder = network_folder(weights)
    if not (folder / DESCRIPTION).is_file():
        raise InputError(
            f"{weights}: no weights; expected a .weights.h5 file, a folder with {DESCRIPTION} or "
            f"one of: {', '.join(list_weights())}"
        )
    return read_description(folder)[0], folder / WEIGHTS


def _shapes(model: keras.Model) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in model.weights]
