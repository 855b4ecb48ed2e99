"""Weights files: small ones, and checks that they fit."""

import os
from pathlib import Path
from typing import Any

import h5py
import keras

from keras_mmdense.errors import InputError


def save_weights(model: keras.Model, path: str | Path, dtype: str = "float32") -> None:
    """Write weights as Keras does, in less space.

    Keras' files spend about a kilobyte on each layer; a later version of the format, which HDF5
    reads since 2008, spends a quarter of it. Equal weights make equal files: no times are kept.

    Args:
        model: The network.
        path: A `.weights.h5` file.
        dtype: "float32", or "float16" for half the size and 11 bits of each weight. Defaults to
            `"float32"`.
    """
    model.save_weights(path)
    groups: dict[str, dict[str, Any]] = {}
    arrays: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()].astype(dtype if item.dtype.kind == "f" else item.dtype)
        else:
            groups[name] = dict(item.attrs)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    timeless = _without_times(h5py.h5p.GROUP_CREATE)
    with h5py.File(_create(path)) as file:
        for name, attributes in groups.items():
            group = h5py.h5g.create(file.id, name.encode(), gcpl=timeless)
            h5py.Group(group).attrs.update(attributes)
        for name, array in arrays.items():
            file[name] = array


def _create(path: str | Path) -> h5py.h5f.FileID:
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)
    timeless = _without_times(h5py.h5p.FILE_CREATE)
    return h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, timeless, access)


def _without_times(kind: Any) -> Any:
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    return properties


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
