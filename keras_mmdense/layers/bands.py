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

    Groups of adjacent bins can be stacked, too. Then a longer STFT, with finer bins, needs no
    larger network.

    If one bin is left over, as of the n_fft / 2 + 1 bins of an STFT, it is the Nyquist frequency's
    and is dropped. If more are left over, zeros fill the last subband.

    Args:
        subbands: int. Number of subbands.
        adjacent: int. Number of adjacent bins of a subband to stack. Defaults to `1`: none.

    Input shape:
        `(batch, frames, bins, channels)`.

    Output shape:
        `(batch, frames, bins // stacked, stacked * channels)`, where stacked is
        `subbands * adjacent`; rounded up unless the Nyquist bin is dropped. The last axis is in the
        order of subbands, adjacent bins, channels.

    Raises:
        ValueError: If `subbands` or `adjacent` is less than 1.

    Example:

    >>> tuple(keras_mmdense.layers.SplitSubbands(4)(numpy.zeros((1, 8, 1025, 2))).shape)
    (1, 8, 256, 8)
    >>> tuple(keras_mmdense.layers.SplitSubbands(4, 2)(numpy.zeros((1, 8, 2049, 2))).shape)
    (1, 8, 256, 16)
    """

    def __init__(self, subbands: int, adjacent: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        for name, value in (("subbands", subbands), ("adjacent", adjacent)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, received {value}")
        self.subbands, self.adjacent = subbands, adjacent

    def call(self, x: Tensor) -> Tensor:
        frames, (bins, channels) = ops.shape(x)[1], x.shape[2:]
        stacked = self.subbands * self.adjacent
        size = _subband_bins(bins, stacked)
        total = size * stacked
        x = x[:, :, :total]
        if total > bins:
            x = ops.pad(x, ((0, 0), (0, 0), (0, total - bins), (0, 0)))
        x = ops.reshape(x, (-1, frames, self.subbands, size, self.adjacent * channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4))
        return ops.reshape(x, (-1, frames, size, stacked * channels))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, frames, bins, channels = input_shape
        stacked = self.subbands * self.adjacent
        return (batch, frames, _subband_bins(bins, stacked), stacked * channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "subbands": self.subbands, "adjacent": self.adjacent}


@keras.saving.register_keras_serializable(package="keras_mmdense")
class JoinSubbands(keras.layers.Layer):
    """Reverses `SplitSubbands`; a dropped Nyquist bin repeats the bin below it.

    Args:
        subbands: int. Number of subbands.
        bins: int. Bins of the output.
        adjacent: int. Number of adjacent bins that are stacked. Defaults to `1`: none.

    Input shape:
        `(batch, frames, groups of a subband, subbands * adjacent * channels)`.

    Output shape:
        `(batch, frames, bins, channels)`.
    """

    def __init__(self, subbands: int, bins: int, adjacent: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.subbands, self.bins, self.adjacent = subbands, bins, adjacent

    def call(self, x: Tensor) -> Tensor:
        frames, (size, maps) = ops.shape(x)[1], x.shape[2:]
        x = ops.reshape(x, (-1, frames, size, self.subbands, maps // self.subbands))
        x = ops.transpose(x, (0, 1, 3, 2, 4))
        bins = self.subbands * size * self.adjacent
        x = ops.reshape(x, (-1, frames, bins, maps // (self.subbands * self.adjacent)))
        if bins < self.bins:
            return ops.concatenate([x, x[:, :, -1:]], axis=2)
        return x[:, :, : self.bins]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, frames, _, maps = input_shape
        return (batch, frames, self.bins, maps // (self.subbands * self.adjacent))

    def get_config(self) -> dict[str, Any]:
        own = {"subbands": self.subbands, "bins": self.bins, "adjacent": self.adjacent}
        return {**super().get_config(), **own}


def _subband_bins(bins: int, stacked: int) -> int:
    if stacked > 1 and bins % stacked == 1:
        return bins // stacked
    return -(-bins // stacked)
