"""The zoo: name -> table + builder."""

import dataclasses
import fnmatch
import math
import re
from pathlib import Path

import keras

from keras_mmdense.configs import TABLES, BlendConfig, ModelConfig
from keras_mmdense.configs.size import check_size
from keras_mmdense.errors import InputError
from keras_mmdense.models.blend import blend
from keras_mmdense.models.blstm import blstm
from keras_mmdense.models.densenet import densenet
from keras_mmdense.models.fnn import fnn
from keras_mmdense.models.mdensenet import mdensenet
from keras_mmdense.models.mmdensenet import mmdensenet
from keras_mmdense.models.weights_file import load_weights
from keras_mmdense.stems import check_names

BUILDERS = {
    "blstm": blstm,
    "densenet": densenet,
    "fnn": fnn,
    "mdensenet": mdensenet,
    "mmdensenet": mmdensenet,
}


def list_models(pattern: str = "*") -> list[str]:
    """Lists the networks of the zoo.

    Args:
        pattern: Shell pattern the names must match, such as "mm*".

    Returns:
        The names, sorted.

    Example:
        >>> list_models("mm*")
        ['mmdenselstm', 'mmdensenet']
    """
    return sorted(fnmatch.filter(TABLES, pattern))


def model_config(name: str) -> ModelConfig:
    """Looks up the table of a network.

    Args:
        name: A name that `list_models` gives, or the path of a JSON file with a table of one's own.

    Returns:
        The table.

    Raises:
        InputError: If there is no such network, or the file is not a table.
    """
    if name in TABLES:
        return TABLES[name]
    if str(name).endswith(".json"):
        if not Path(name).is_file():
            raise InputError(f"{name}: no such table file")
        return _read_table(name)
    raise InputError(
        f"unknown model {name!r}; choose one of {', '.join(list_models())}, or a .json table"
    )


def build(
    name: str | ModelConfig = "mmdensenet",
    *,
    targets: tuple[str, ...] = ("vocals",),
    bins: int | None = None,
    frames: int | None = None,
    channels: int = 2,
    weights: str | None = None,
    **overrides,
) -> keras.Model:
    """Builds a network: magnitude of the mixture in, magnitude of the targets out.

    Args:
        name: A name that `list_models` gives, a JSON file with a table, or a table itself.
        targets: Names of the targets the network gives.
        bins: Frequency bins of the spectrogram, n_fft / 2 + 1; None takes those of the table.
        frames: Frames of the spectrogram; None takes any number from 1 up.
        channels: Audio channels.
        weights: A `.weights.h5` file to load, or None for random weights.
        **overrides: Fields of the table to replace, such as `output="magnitude"`.

    Returns:
        A Functional model from (batch, frames, bins, channels), float32, to the same shape for one
        source or (batch, targets, frames, bins, channels) for several.

    Raises:
        ValueError: If the name is unknown, an argument is out of range, or the weights do not fit.

    Example:
        >>> model = keras_mmdense.build("mmdensenet", targets=("vocals", "drums"))
        >>> model(numpy.ones((1, 64, 1025, 2), "float32")).shape
        (1, 2, 64, 1025, 2)
    """
    config = name if isinstance(name, ModelConfig) else model_config(name)
    config = _override(config, overrides)
    bins = config.bins if bins is None else bins
    _check_sizes(targets, frames)
    check_size(config, bins, channels)
    mixture = keras.Input((frames, bins, channels), dtype="float32", name="mixture")
    outputs = _assemble(mixture, config, len(targets))
    model = keras.Model(mixture, outputs, name=_scope(config.name, *targets))
    if weights is not None:
        load_weights(model, weights)
    return model


def parameters(model: keras.Model) -> int:
    """Counts a model's trainable parameters."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _assemble(mixture, config, targets):
    if isinstance(config, BlendConfig):
        return blend(mixture, config, targets, _assemble)
    return BUILDERS[config.family](mixture, config, targets)


def _scope(*names):
    """A name that TensorFlow takes for a scope."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "_".join(names)).lstrip("_-")


def _read_table(path):
    config = ModelConfig.from_json(path)
    try:
        check_names("the table's name", (config.name,))
        check_size(config, config.bins, 2)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return config


def _override(config, overrides):
    fields = sorted(field.name for field in dataclasses.fields(config))
    unknown = sorted(set(overrides) - set(fields))
    if unknown:
        raise ValueError(f"unknown table field {unknown[0]!r}; choose of {', '.join(fields)}")
    return dataclasses.replace(config, **overrides)


def _check_sizes(targets, frames):
    if isinstance(targets, str) or not targets or len(set(targets)) != len(targets):
        raise ValueError(f"targets must be distinct names, received {targets!r}")
    if frames is not None and frames < 1:
        raise ValueError(f"frames must be 1 or more, or None, received {frames}")
