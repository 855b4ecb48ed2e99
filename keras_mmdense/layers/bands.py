"""Splitting a spectrogram into frequency bands."""

from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.tensor import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_mmdense")
class BandSplit(keras.layers.Layer):
    """Splits a spectrogram into bands along its bins (section 3.2 of the paper).

    `keras.layers.Concatenate(axis=2)` joins the bands again.

    Args:
        edges: List of int. Increasing bin numbers `[0, ..., bins]`; band i holds the bins from
            `edges[i]` to `edges[i + 1] - 1`.

    Input shape:
        `(batch, frames, bins, channels)`.

    Output shape:
        A list of `(batch, frames, edges[i + 1] - edges[i], channels)`.

    Raises:
        ValueError: If the edges do not increase from 0 to the input's bins.

    Example:

    >>> low, high = keras_mmdense.layers.BandSplit([0, 512, 1025])(numpy.zeros((1, 4, 1025, 2)))
    >>> low.shape[2], high.shape[2]
    (512, 513)
    """

    def __init__(self, edges: list[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.edges = [int(edge) for edge in edges]
        rising = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        if len(self.edges) < 2 or self.edges[0] != 0 or not rising:
            raise ValueError(f"edges must rise from 0, received {edges}")

    def build(self, input_shape: Shape) -> None:
        if input_shape[2] != self.edges[-1]:
            raise ValueError(
                f"edges {self.edges} must end at the input's bins, received {input_shape[2]} bins"
            )

    def call(self, x: Tensor) -> list[Tensor]:
        pairs = zip(self.edges, self.edges[1:], strict=False)
        return [x[:, :, low:high] for low, high in pairs]

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        batch, frames, _, channels = input_shape
        pairs = zip(self.edges, self.edges[1:], strict=False)
        return [(batch, frames, high - low, channels) for low, high in pairs]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "edges": self.edges}


@keras.saving.register_keras_serializable(package="keras_mmdense")
class SplitSubbands(keras.layers.Layer):
    """Splits the bins into equal subbands and stacks them as channels (Liu et al. 2020).

    If one bin is left over, as of the n_fft / 2 + 1 bins of an STFT, it is the Nyquist frequency's
    and is dropped. If more are left over, zeros fill the last subband.

    Args:
        subbands: int. Number of subbands.

    Input shape:
        `(batch, frames, bins, channels)`.

    Output shape:
        `(batch, frames, bins // subbands, subbands * channels)`, rounded up unless the Nyquist bin
        is dropped; the channels of a subband are adjacent.

    Raises:
        ValueError: If `subbands` is less than 1.

    Example:

    >>> tuple(keras_mmdense.layers.SplitSubbands(4)(numpy.zeros((1, 8, 1025, 2))).shape)
    (1, 8, 256, 8)
    """

    def __init__(self, subbands: int, **kwargs: Any):
        super().__init__(**kwargs)
        if subbands < 1:
            raise ValueError(f"subbands must be 1 or more, received {subbands}")
        self.subbands = subbands

    def call(self, x: Tensor) -> Tensor:
        frames, (bins, channels) = ops.shape(x)[1], x.shape[2:]
        size = _subband_bins(bins, self.subbands)
        total = size * self.subbands
        x = x[:, :, :total]
        if total > bins:
            x = ops.pad(x, ((0, 0), (0, 0), (0, total - bins), (0, 0)))
        x = ops.reshape(x, (-1, frames, self.subbands, size, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4))
        return ops.reshape(x, (-1, frames, size, self.subbands * channels))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, frames, bins, channels = input_shape
        return (batch, frames, _subband_bins(bins, self.subbands), self.subbands * channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "subbands": self.subbands}


@keras.saving.register_keras_serializable(package="keras_mmdense")
class JoinSubbands(keras.layers.Layer):
    """Reverses `SplitSubbands`; a dropped Nyquist bin repeats the bin below it.

    Args:
        subbands: int. Number of subbands.
        bins: int. Bins of the output.

    Input shape:
        `(batch, frames, bins of a subband, subbands * channels)`.

    Output shape:
        `(batch, frames, bins, channels)`.
    """

    def __init__(self, subbands: int, bins: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.subbands, self.bins = subbands, bins

    def call(self, x: Tensor) -> Tensor:
        frames, (size, maps) = ops.shape(x)[1], x.shape[2:]
        channels = maps // self.subbands
        x = ops.reshape(x, (-1, frames, size, self.subbands, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4))
        x = ops.reshape(x, (-1, frames, size * self.subbands, channels))
        if size * self.subbands < self.bins:
            return ops.concatenate([x, x[:, :, -1:]], axis=2)
        return x[:, :, : self.bins]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, frames, _, maps = input_shape
        return (batch, frames, self.bins, maps // self.subbands)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "subbands": self.subbands, "bins": self.bins}


def _subband_bins(bins: int, subbands: int) -> int:
    if subbands > 1 and bins % subbands == 1:
        return bins // subbands
    return -(-bins // subbands)
