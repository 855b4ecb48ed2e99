"""Padding that lets a network halve its frames and bins several times, for any input size."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.tensor import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_mmdense")
class PadToMultiple(keras.layers.Layer):
    """Pads frames and bins with zeros at the end, up to multiples of a number.

    Args:
        multiple: int. The number, 2^scales for a network that halves `scales` times.

    Input shape:
        `(batch, frames, bins, maps)`.

    Output shape:
        The input's, with frames and bins rounded up.

    Raises:
        ValueError: If `multiple` is less than 1.

    Example:

    >>> tuple(keras_mmdense.layers.PadToMultiple(8)(numpy.zeros((1, 9, 1025, 2))).shape)
    (1, 16, 1032, 2)
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
    """Crops frames and bins to those of a second tensor; reverses `PadToMultiple`.

    Input shape:
        A list `[x, reference]`, both `(batch, frames, bins, maps)`.

    Output shape:
        The batch and maps of `x`, the frames and bins of `reference`.
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
    """Trims the same number of elements off both ends of an axis.

    Args:
        size: int. Frames or samples to trim at each end.
        axis: int. The axis, counted from the last one: -3 for frames, -2 for samples.

    Input shape:
        Any.

    Output shape:
        The input's, with `2 * size` fewer elements along `axis`, float32.

    Raises:
        ValueError: If `size` or `axis` is out of range.
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
    """Pad frames, and bins if given, with zeros at the end, up to multiples of a number.

    Args:
        x: A tensor.
        multiple: The number.
        frames: Axis of the frames, whose number may be unknown to the graph.
        bins: Axis of the bins; None leaves them.

    Returns:
        The tensor with these axes rounded up.
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
