"""Checkpoints of training runs: everything needed to resume, in one file, replaced atomically."""

import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_mmdense.errors import InputError, first_line
from keras_mmdense.utils.files import replacing


def save_checkpoint(path: Path, variables: Sequence[keras.Variable], state: dict[str, Any]) -> None:
    """Write variables and state to an .npz file.

    Args:
        path: The file; replaced when the new one is complete.
        variables: Variables, in an order that a resumed run repeats.
        state: JSON-serializable state.
    """
    arrays = {
        f"{number:05d}": keras.ops.convert_to_numpy(variable)
        for number, variable in enumerate(variables)
    }
    with replacing(path) as partial:
        np.savez(partial, state=np.array(json.dumps(state)), **arrays)


def load_checkpoint(path: Path, variables: Sequence[keras.Variable]) -> dict[str, Any]:
    """Restore variables and state from a file that `save_checkpoint` wrote.

    Args:
        path: The file.
        variables: Variables to assign.

    Returns:
        The state.

    Raises:
        InputError: If the file cannot be read or contains other variables.
    """
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as file:
            state = json.loads(str(file["state"]))
            values = [file[name] for name in sorted(set(file.files) - {"state"})]
    except Exception as error:  # zip, zlib and struct have errors of their own
        raise InputError(f"{path}: not a checkpoint: {first_line(error)}") from error
    if any(value.dtype.kind not in "biuf" for value in values) or not isinstance(state, dict):
        raise InputError(f"{path}: not a checkpoint: expected arrays of numbers")
    shapes = [tuple(variable.shape) for variable in variables]
    if [value.shape for value in values] != shapes:
        raise InputError(f"{path}: a checkpoint of another network or optimizer")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return state


def _check_sizes(path: Path) -> None:
    """Raise ValueError if an array would be larger than the file, before allocating memory."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as file:
                np.lib.format.read_magic(file)
                shape, _, kind = np.lib.format.read_array_header_1_0(file)
            if entry.compress_type or math.prod(shape) * kind.itemsize > path.stat().st_size:
                raise ValueError(f"{entry.filename} is larger than the file")
