"""Registry of the zoo: tables and builders by name."""

import dataclasses
import fnmatch
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_mmdense.configs import TABLES, BlendConfig, ModelConfig
from keras_mmdense.configs.size import check_size
from keras_mmdense.errors import InputError
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.blend import blend
from keras_mmdense.models.blstm import blstm
from keras_mmdense.models.densenet import densenet
from keras_mmdense.models.fnn import fnn
from keras_mmdense.models.mdensenet import mdensenet
from keras_mmdense.models.mmdensenet import mmdensenet
from keras_mmdense.models.weights_file import load_weights
from keras_mmdense.stems import check_names

BUILDERS: dict[str, Callable[[Tensor, Any, int], Tensor]] = {
    "blstm": blstm,
    "densenet": densenet,
    "fnn": fnn,
    "mdensenet": mdensenet,
    "mmdensenet": mmdensenet,
}


def list_models(pattern: str = "*") -> list[str]:
    """List the networks of the zoo.

    Args:
        pattern: Shell pattern that names must match. Defaults to `"*"`.

    Returns:
        A sorted list of names.
    """
    return sorted(fnmatch.filter(TABLES, pattern))


def model_config(name: str) -> ModelConfig:
    """Look up the table of a network.

    Args:
        name: str. A name that `list_models` returns, or the path of a JSON file with a custom
            table.

    Returns:
        The table, a `ModelConfig`.

    Raises:
        InputError: If there is no such network, or the file does not hold a table.

    Example:

    >>> keras_mmdense.model_config("mmdensenet").n_fft
    2048
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
    name: str | ModelConfig,
    *,
    targets: Sequence[str] = ("vocals",),
    bins: int | None = None,
    frames: int | None = None,
    channels: int = 2,
    weights: str | Path | None = None,
) -> keras.Model:
    """Build a network from its table; `keras_mmdense.build` also knows trained networks.

    Args:
        name: A name that `list_models` returns, a JSON file with a table, or a table itself.
        targets: Names of what the network estimates.
        bins: Frequency bins of the spectrogram; None takes those of the table.
        frames: Frames of the spectrogram; None takes any number from 1 up.
        channels: Audio channels.
        weights: A `.weights.h5` file to load, or None for random weights.

    Returns:
        A functional model from magnitudes (batch, frames, bins, channels), float32, to the same
        shape for one target or (batch, targets, frames, bins, channels) for several.

    Raises:
        InputError: If the name is unknown or the weights do not fit.
        ValueError: If an argument is out of range.
    """
    config = name if isinstance(name, ModelConfig) else model_config(name)
    bins = config.bins if bins is None else bins
    _check_sizes(targets, frames)
    check_size(config, bins, channels)
    mixture = keras.Input((frames, bins, channels), dtype="float32", name="mixture")
    outputs = _assemble(mixture, config, len(targets))
    model = keras.Model(mixture, outputs, name=_scope(config.name, *targets))
    if weights is not None:
        load_weights(model, weights)
    return model


def override(config: ModelConfig, fields: Mapping[str, Any]) -> ModelConfig:
    """Replace fields of a table.

    Args:
        config: The table.
        fields: Values by name of the field.

    Returns:
        The new table.

    Raises:
        ValueError: If the table has no such field, or a value is out of range.
    """
    known = sorted(field.name for field in dataclasses.fields(config))
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(f"unknown table field {unknown[0]!r}; choose one of {', '.join(known)}")
    return dataclasses.replace(config, **fields)


def parameters(model: keras.Model) -> int:
    """Count a model's trainable parameters.

    Args:
        model: The model.

    Returns:
        Their number.
    """
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _assemble(mixture: Tensor, config: ModelConfig, targets: int) -> Tensor:
    if isinstance(config, BlendConfig):
        return blend(mixture, config, targets, _assemble)
    return BUILDERS[config.family](mixture, config, targets)


def _scope(*names: str) -> str:
    """Return a name that TensorFlow accepts as a scope."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "_".join(names)).lstrip("_-")


def _read_table(path: str) -> ModelConfig:
    config = ModelConfig.from_json(path)
    try:
        check_names("the table's name", (config.name,))
        check_size(config, config.bins, 2)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return config


def _check_sizes(targets: Sequence[str], frames: int | None) -> None:
    if isinstance(targets, str) or not targets or len(set(targets)) != len(targets):
        raise ValueError(f"targets must be distinct names, received {targets!r}")
    if frames is not None and frames < 1:
        raise ValueError(f"frames must be 1 or more, or None, received {frames}")
