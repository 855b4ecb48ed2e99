"""Padding that lets a network halve its frames and bins several times, for any input size."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.tensor import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_mmdense")
class PadToMultiple(keras.layers.Layer):
    """Appends zeros until frames and bins are multiples of a number.

    Args:
        multiple: The number, 2^scales for a network that halves `scales` times.

    Input shape: (batch, frames, bins, maps). Output shape: the same, frames and bins
    rounded up.
    """

    def __init__(self, multiple: int, **kwargs: Any):
        super().__init__(**kwargs)
        if multiple < 1:
            raise ValueError(f"multiple must be 1 or more, received {multiple}")
        self.multiple = multiple

    def call(self, x: Tensor) -> Tensor:
        return pad_to_multiple(x, self.multiple, frames=1, bins=2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, frames, bins, maps = input_shape
        frames = None if frames is None else _round_up(frames, self.multiple)
        return (batch, frames, _round_up(bins, self.multiple), maps)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable(package="keras_mmdense")
class CropLike(keras.layers.Layer):
    """Crops frames and bins to those of a second tensor; undoes `PadToMultiple`.

    Called on a list [x, reference], both (batch, frames, bins, maps).
    """

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        x, reference = inputs
        frames, bins = ops.shape(reference)[1], reference.shape[2]
        if isinstance(frames, int):
            return x[:, :frames, :bins]
        # One axis at a time: with an end unknown to the graph, it would forget the other one too.
        x = x[:, :frames]
        return x if x.shape[2] == bins else x[:, :, :bins]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        (batch, _, _, maps), (_, frames, bins, _) = input_shape
        return (batch, frames, bins, maps)


@keras.saving.register_keras_serializable(package="keras_mmdense")
class Trim(keras.layers.Layer):
    """Cuts the same number off both ends of an axis.

    Args:
        size: How many frames or samples to cut at either end.
        axis: Which axis, counted from the last one: -3 for frames, -2 for samples.
    """

    def __init__(self, size: int, axis: int, **kwargs: Any):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if size < 0 or axis >= 0:
            raise ValueError(f"size must be >= 0 and axis < 0, received {size} and {axis}")
        self.size, self.axis = size, axis

    def call(self, x: Tensor) -> Tensor:
        length = ops.shape(x)[self.axis] - 2 * self.size
        key = [slice(None)] * len(x.shape)
        key[self.axis] = slice(self.size, self.size + length)
        return x[tuple(key)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(input_shape)
        if shape[self.axis] is not None:
            shape[self.axis] -= 2 * self.size
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "axis": self.axis}


def pad_to_multiple(x: Tensor, multiple: int, frames: int, bins: int | None = None) -> Tensor:
    """Appends zeros until frames, and bins if they are named, are multiples of a number.

    Args:
        x: A tensor.
        multiple: The number.
        frames: Axis of the frames, whose number may be unknown to the graph.
        bins: Axis of the bins; None leaves them.

    Returns:
        The tensor with both axes rounded up.
    """
    count, known = ops.shape(x)[frames], x.shape[frames] is not None
    spare = [(0, 0)] * len(x.shape)
    spare[frames] = (0, _round_up(count, multiple) - count if known else multiple - 1)
    if bins is not None:
        spare[bins] = (0, _round_up(x.shape[bins], multiple) - x.shape[bins])
    x = ops.pad(x, spare)
    if known:
        return x
    return x[(slice(None),) * frames + (slice(_round_up(count, multiple)),)]


def _round_up(size: int, multiple: int) -> int:
    return (size + multiple - 1) // multiple * multiple
