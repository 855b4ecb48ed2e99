"""Multichannel Wiener filter: from magnitude estimates to complex spectrograms of the sources."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.memory import Delay, Remember
from keras_mmdense.layers.padding import pad_to_multiple
from keras_mmdense.layers.tensor import Shape, Tensor

FLOOR = 1e-6
BLOCK = 8
Pair = Sequence[Tensor]


@keras.saving.register_keras_serializable(package="keras_mmdense")
class WienerFilter(keras.layers.Layer):
    """Multichannel Wiener filter, one iteration, for one or two channels.

    Every source is modeled by its PSD v_j (the channel mean of its squared magnitude) and a
    spatial covariance R_j = sum_t s s^H / sum_t v_j, with the mixture's phase; the filter is
    v_j R_j C^-1 with C = sum_k v_k R_k (Nugraha, Liutkus and Vincent 2016; section 4.2 of the
    paper). C is regularized by 1e-6 of its mean eigenvalue, so that the filter is the same at every
    level and the sources sum to the mixture. A mono input has no spatial covariance: the filter is
    then the ratio mask v_j / sum_k v_k.

    Args:
        reach: int. Frames on either side over which the sums run, a positive multiple of 8; the
            sums move in blocks of 8 frames. Defaults to `None`: all frames of the input.

    Input shape:
        A list `[magnitudes, real, imag]`: magnitudes `(batch, sources, frames, bins, channels)`,
        real and imaginary part of the mixture, each `(batch, frames, bins, channels)`.

    Output shape:
        Two tensors, real and imaginary part of the sources, each `(batch, sources, frames, bins,
        channels)`, float32.

    Raises:
        ValueError: If `reach` is not a positive multiple of 8, or there are more than two channels.

    Example:

    >>> shapes = (1, 4, 16, 1025, 2), (1, 16, 1025, 2), (1, 16, 1025, 2)
    >>> inputs = [numpy.ones(shape, "float32") for shape in shapes]
    >>> real, imag = keras_mmdense.layers.WienerFilter(reach=64)(inputs)
    >>> tuple(real.shape)
    (1, 4, 16, 1025, 2)
    """

    def __init__(self, reach: int | None = None, **kwargs: Any):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if reach is not None and (reach < BLOCK or reach % BLOCK):
            raise ValueError(f"reach must be a positive multiple of {BLOCK}, received {reach}")
        self.reach = reach

    def build(self, input_shape: Sequence[Shape]) -> None:
        channels = input_shape[0][-1]
        if channels not in (1, 2):
            raise ValueError(f"WienerFilter takes 1 or 2 channels, received {channels}")

    def call(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        magnitudes, real, imag = inputs
        if magnitudes.shape[-1] == 1:
            return _ratio_mask(magnitudes, real, imag)
        frames = ops.shape(real)[1]
        # Never `[:, None]`: TensorFlow Lite copies the tensor for it.
        real, imag = (ops.expand_dims(x, 1) for x in (real, imag))
        magnitudes, real, imag = (self._blocks(x) for x in (magnitudes, real, imag))
        statistics = _statistics(magnitudes, real, imag, self._sum)
        mixture = [*_rotate(*real), *_rotate(*imag)]
        return tuple(_joined(pair, frames) for pair in _stereo_filter(*statistics, *mixture))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple[Shape, Shape]:
        return tuple(input_shape[0]), tuple(input_shape[0])

    def compute_output_spec(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(keras.KerasTensor(inputs[0].shape, dtype="float32") for _ in range(2))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reach": self.reach}

    def _blocks(self, x: Tensor) -> Pair:
        """Unstack the channels and cut the frames into blocks, or one block if there is no reach.

        Channels are on the first axis: TensorFlow Lite is slow on every other one.

        Args:
            x: (batch, sources, frames, bins, 2).

        Returns:
            Two tensors (batch, sources, blocks, frames of a block, bins); zeros fill the last one.
        """
        sources, bins = x.shape[1], x.shape[3]
        x = ops.moveaxis(x, -1, 0)
        if self.reach is None:
            count, size = 1, ops.shape(x)[3]
        else:
            x = pad_to_multiple(x, BLOCK, frames=3)
            count, size = ops.shape(x)[3] // BLOCK, BLOCK
        return ops.unstack(ops.reshape(x, (2, -1, sources, count, size, bins)), 2)

    def _sum(self, x: Tensor) -> Tensor:
        """Sum blocks over frames, each with those within reach; keeps the axes."""
        x = ops.sum(x, axis=3)
        if self.reach is None:
            return ops.expand_dims(x, 3)
        side = self.reach // BLOCK
        x = ops.pad(x, ((0, 0), (0, 0), (side, side), (0, 0)))
        return _moving_sum(x, 2 * side + 1)


@keras.saving.register_keras_serializable(package="keras_mmdense")
class StepwiseWienerFilter(WienerFilter):
    """`WienerFilter` for a song in steps; its output is `reach` frames late, but not in mono.

    The sums over blocks of 8 frames are computed once and remembered.

    Args:
        reach: int. Frames on either side over which the sums run, a positive multiple of 8.

    Input shape:
        That of `WienerFilter`, for a batch of one and a fixed multiple of 8 frames.

    Output shape:
        That of `WienerFilter`.

    Raises:
        ValueError: If `reach` is not a positive multiple of 8, or there are more than two channels.
    """

    def __init__(self, reach: int, **kwargs: Any):
        super().__init__(reach, **kwargs)
        side = reach // BLOCK
        self._window = 2 * side + 1
        self._sums = [Remember(2 * side, axis=2, dtype="float32") for _ in range(5)]
        self._waits = [Delay(side, axis=2, dtype="float32") for _ in range(5)]

    def build(self, input_shape: Sequence[Shape]) -> None:
        super().build(input_shape)
        batch, sources, frames, bins, _ = input_shape[0]
        for memory in self._sums:
            memory.build((batch, sources, frames // BLOCK, bins))
        for wait, count in zip(self._waits, (sources, 1, 1, 1, 1), strict=True):
            wait.build((batch, count, frames // BLOCK, BLOCK, bins))

    def call(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        magnitudes, real, imag = inputs
        if magnitudes.shape[-1] == 1:
            return _ratio_mask(magnitudes, real, imag)
        frames = real.shape[1]
        real, imag = (ops.expand_dims(x, 1) for x in (real, imag))
        magnitudes, real, imag = (self._blocks(x) for x in (magnitudes, real, imag))
        remembered = iter(self._sums)

        def summed(x: Tensor) -> Tensor:
            return _moving_sum(next(remembered)(ops.sum(x, axis=3)), self._window)

        psd, covariances = _statistics(magnitudes, real, imag, summed)
        mixture = [*_rotate(*real), *_rotate(*imag)]
        psd, *mixture = (wait(x) for wait, x in zip(self._waits, (psd, *mixture), strict=True))
        filtered = _stereo_filter(psd, covariances, *mixture)
        return tuple(_joined(pair, frames) for pair in filtered)


def _moving_sum(x: Tensor, window: int) -> Tensor:
    """Sums (batch, sources, blocks, bins) over windows of blocks; keeps the whole windows."""
    sources, count, bins = x.shape[1], ops.shape(x)[2], x.shape[3]
    x = ops.reshape(x, (-1, count, 1, bins))
    x = ops.average_pool(x, (window, 1), 1, "valid", "channels_last") * float(window)
    return ops.reshape(x, (-1, sources, count - window + 1, 1, bins))


def _ratio_mask(magnitudes: Tensor, real: Tensor, imag: Tensor) -> tuple[Tensor, Tensor]:
    power = ops.square(magnitudes)
    mask = power / (ops.sum(power, axis=1, keepdims=True) + 1e-10)
    return mask * ops.expand_dims(real, 1), mask * ops.expand_dims(imag, 1)


def _joined(pair: Pair, frames: int) -> Tensor:
    """(batch, sources, frames, bins, 2) of two channels in blocks."""
    _, sources, count, size, bins = ops.shape(pair[0])
    x = ops.reshape(ops.stack(pair), (2, -1, sources, count * size, bins))
    return ops.moveaxis(x[:, :, :, :frames], 0, -1)


def _statistics(
    magnitudes: Pair, real: Pair, imag: Pair, summed: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Sequence[Tensor]]:
    """PSD of every source and the four numbers of its spatial covariance, of mid and side.

    Mid and side instead of left and right: the filter commutes with this rotation, and centered
    music, whose left-right covariance is nearly singular, becomes well conditioned.
    """
    gains = [
        magnitude / ops.maximum(ops.sqrt(ops.square(re) + ops.square(im)), 1e-15)
        for magnitude, re, im in zip(magnitudes, real, imag, strict=True)
    ]
    m_real, s_real = _rotate(*(gain * x for gain, x in zip(gains, real, strict=True)))
    m_imag, s_imag = _rotate(*(gain * x for gain, x in zip(gains, imag, strict=True)))
    mid, side = ops.square(m_real) + ops.square(m_imag), ops.square(s_real) + ops.square(s_imag)
    psd = (mid + side) / 2
    total = summed(psd) + 1e-20
    cross_real, cross_imag = m_real * s_real + m_imag * s_imag, m_imag * s_real - m_real * s_imag
    return psd, [summed(x) / total for x in (mid, side, cross_real, cross_imag)]


def _stereo_filter(
    psd: Tensor,
    covariances: Sequence[Tensor],
    mid_real: Tensor,
    side_real: Tensor,
    mid_imag: Tensor,
    side_imag: Tensor,
) -> tuple[Pair, Pair]:
    """The filter for two channels, every 2x2 matrix written out; left and right come out."""
    r_mm, r_ss, r_re, r_im = covariances
    n_im = -r_im
    c_mm, c_ss, c_re, c_im = (ops.sum(psd * r, axis=1, keepdims=True) for r in covariances)
    mid, side = (mid_real, mid_imag), (side_real, side_imag)
    (z0, z1), (z2, z3) = _solve(c_mm, c_ss, c_re, c_im, mid, side)
    # Never three terms added: TensorFlow adds those in an order that depends on timing.
    out_real = psd * (r_mm * z0 + r_re * z2 - r_im * z3), psd * (r_ss * z2 + r_re * z0 - n_im * z1)
    out_imag = psd * (r_mm * z1 + r_re * z3 - n_im * z2), psd * (r_ss * z3 + r_re * z1 - r_im * z0)
    return _rotate(*out_real), _rotate(*out_imag)


def _rotate(a: Tensor, b: Tensor) -> Pair:
    """The rotation between left and right, mid and side: its own inverse."""
    return (a + b) * 0.5**0.5, (a - b) * 0.5**0.5


def _solve(
    c_mm: Tensor, c_ss: Tensor, c_re: Tensor, c_im: Tensor, mid: Pair, side: Pair
) -> tuple[Pair, Pair]:
    """(C + floor)^-1 x for the Hermitian matrix C = [[c_mm, c_re + i c_im], [., c_ss]].

    By elimination, not by the determinant: for a nearly singular C, as hard-panned music has it,
    the rounding errors then lie where the filter cancels them.
    """
    (m_re, m_im), (s_re, s_im) = mid, side
    floor = FLOOR * (c_mm + c_ss) / 2 + 1e-15
    c_mm = c_mm + floor
    l_re, l_im = c_re / c_mm, c_im / c_mm
    pivot = ops.maximum(c_ss - l_re * c_re - l_im * c_im, 0.0) + floor
    s_re = (s_re - l_re * m_re - l_im * m_im) / pivot
    s_im = (s_im - l_re * m_im + l_im * m_re) / pivot
    m_re = m_re / c_mm - l_re * s_re + l_im * s_im
    m_im = m_im / c_mm - l_re * s_im - l_im * s_re
    return (m_re, m_im), (s_re, s_im)
