"""Compact storage of a stepwise graph's memories after silence, the state in which songs begin."""

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# After silence a memory repeats itself: scales down to 1/16 come up again in 16 different frames.
PERIOD = 16
TOLERANCE = 1e-6
HEADER = 128  # bytes of a .npy file before its numbers


def pack(states: Mapping[str, np.ndarray]) -> bytes:
    """Pack memories after silence; of a memory that repeats itself only one period.

    Args:
        states: Arrays by name, float32.

    Returns:
        A compressed `.npz` file.
    """
    file = io.BytesIO()
    packed: dict[str, Any] = {name: _one_period(state) for name, state in states.items()}
    np.savez_compressed(file, **packed)
    return file.getvalue()


def unpack(content: bytes, shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Undo `pack`.

    Args:
        content: The packed memories.
        shapes: Their shapes by name.

    Returns:
        Arrays by name, float32, equal to those packed within 1e-6 of their maximum.

    Raises:
        ValueError: If the content is damaged or does not fit the shapes.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _most_bytes(shapes):
            raise ValueError("the memories after silence are larger than those of the graph")
    with np.load(io.BytesIO(content), allow_pickle=False) as packed:
        if set(packed) != set(shapes):
            raise ValueError("the memories after silence are not those of the graph")
        return {name: _repeated(packed[name], tuple(shape)) for name, shape in shapes.items()}


def _most_bytes(shapes: Mapping[str, Sequence[int]]) -> int:
    return sum(4 * math.prod(shape) + HEADER for shape in shapes.values())


def _one_period(state: np.ndarray) -> np.ndarray:
    for axis in range(1, state.ndim):
        if state.shape[axis] > PERIOD:
            last = np.take(state, range(-PERIOD, 0), axis=axis)
            error = np.abs(_repeated(last, state.shape) - state).max()
            if error <= TOLERANCE * np.abs(state).max():
                return last
    return state


def _repeated(part: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Repeats an array along the axis where it is too short, so that its end stays the end."""
    short = [i for i, (have, want) in enumerate(zip(part.shape, shape, strict=True)) if have < want]
    for axis in short:
        places = np.arange(-shape[axis], 0) % part.shape[axis]
        part = np.take(part, places, axis=axis)
    if part.shape != shape or part.dtype != np.float32:
        raise ValueError(f"a memory of {part.dtype} {part.shape}, expected float32 {shape}")
    return part
