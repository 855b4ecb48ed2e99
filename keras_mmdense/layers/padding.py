"""Padding that lets a network halve its frames and bins several times, for any input size."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_mmdense")
class PadToMultiple(keras.layers.Layer):
    """Appends zeros until frames and bins are multiples of a number.

    Args:
        multiple: The number, 2^scales for a network that halves `scales` times.

    Input shape: (batch, frames, bins, maps). Output shape: the same, frames and bins
    rounded up.
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        if multiple < 1:
            raise ValueError(f"multiple must be 1 or more, received {multiple}")
        self.multiple = multiple

    def call(self, x):
        frames, bins = ops.shape(x)[1], x.shape[2]
        new_bins = self._round_up(bins)
        spare = self.multiple - 1
        x = ops.pad(x, ((0, 0), (0, spare), (0, new_bins - bins), (0, 0)))
        return x[:, : self._round_up(frames)]

    def compute_output_shape(self, input_shape):
        batch, frames, bins, maps = input_shape
        frames = None if frames is None else self._round_up(frames)
        return (batch, frames, self._round_up(bins), maps)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}

    def _round_up(self, size):
        return (size + self.multiple - 1) // self.multiple * self.multiple


@keras.saving.register_keras_serializable(package="keras_mmdense")
class CropLike(keras.layers.Layer):
    """Crops frames and bins to those of a second tensor; undoes `PadToMultiple`.

    Called on a list [x, reference], both (batch, frames, bins, maps).
    """

    def call(self, inputs):
        x, reference = inputs
        # One axis at a time: with an end unknown to the graph, it would forget the other one too.
        return x[:, : ops.shape(reference)[1]][:, :, : reference.shape[2]]

    def compute_output_shape(self, input_shape):
        (batch, _, _, maps), (_, frames, bins, _) = input_shape
        return (batch, frames, bins, maps)
