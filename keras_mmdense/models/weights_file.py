"""Loading of weights files, with checks that they fit."""

from pathlib import Path
from typing import Any

import h5py
import keras

from keras_mmdense.errors import InputError


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Load weights into a network that they fit exactly.

    Args:
        model: The network.
        path: A `.weights.h5` file written by Keras.

    Raises:
        InputError: If the file is missing, is not a weights file, or belongs to another network.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    if not path.name.endswith(".weights.h5"):
        raise InputError(f"{path}: expected the name of a .weights.h5 file")
    try:
        found = _shapes(path)
    except OSError as error:
        raise InputError(f"{path}: not a .weights.h5 file") from error
    if found != sorted(tuple(weight.shape) for weight in model.weights):
        raise InputError(
            f"{path}: weights of another network; expected {len(model.weights)} tensors of "
            f"{model.name}, found {len(found)} of other sizes"
        )
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: weights of another network than {model.name}") from error


def _shapes(path: Path) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise InputError(f"{path}: {name} lies in another file")
            shapes.append(item.shape)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return sorted(shapes)
