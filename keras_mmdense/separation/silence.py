"""Compact storage of a stepwise graph's memories after silence, the state in which songs begin.

A length of four bytes, a JSON object of shapes by name, spaces up to a multiple of four bytes, then
the arrays in this order, float32, little endian.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence

import numpy as np

# After silence a memory repeats itself: the maps of a scale of 1/16 in up to 16 different frames.
PERIODS = (1, 2, 4, 8, 16)
TOLERANCE = 1e-6


def pack(states: Mapping[str, np.ndarray]) -> bytes:
    """Pack memories after silence; of a memory that repeats itself only one period.

    Args:
        states: Arrays by name, float32.

    Returns:
        The packed memories.
    """
    parts = {name: _one_period(state) for name, state in states.items()}
    header = json.dumps({name: part.shape for name, part in parts.items()}).encode()
    header += b" " * (-len(header) % 4)
    arrays = [np.ascontiguousarray(part, "<f4").tobytes() for part in parts.values()]
    return b"".join([struct.pack("<I", len(header)), header, *arrays])


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
    start = 4 + struct.unpack_from("<I", content)[0]
    stored = json.loads(content[4:start])
    if set(stored) != set(shapes):
        raise ValueError("the memories after silence are not those of the graph")
    found = {}
    for name, shape in stored.items():
        count = math.prod(shape)
        part = np.frombuffer(content, "<f4", count, start).reshape(shape)
        found[name] = _repeated(part, tuple(shapes[name]))
        start += 4 * count
    return found


def _one_period(state: np.ndarray) -> np.ndarray:
    """Return the shortest end of an array, along any axis, that repeats itself."""
    ends = (
        np.take(state, range(-period, 0), axis=axis)
        for axis in range(1, state.ndim)
        for period in PERIODS
        if period < state.shape[axis]
    )
    tolerance = TOLERANCE * np.abs(state).max()
    periods = [x for x in ends if np.abs(_repeated(x, state.shape) - state).max() <= tolerance]
    return min(periods, key=np.size, default=state)


def _repeated(part: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Repeats an array along the axis where it is too short, so that its end stays the end."""
    short = [i for i, (have, want) in enumerate(zip(part.shape, shape, strict=True)) if have < want]
    for axis in short:
        part = np.take(part, np.arange(-shape[axis], 0) % part.shape[axis], axis=axis)
    if part.shape != shape:
        raise ValueError(f"a memory of shape {part.shape}, expected {shape}")
    return part.astype("float32")
