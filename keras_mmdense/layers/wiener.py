"""Multichannel Wiener filter: from magnitude estimates to complex spectrograms of the sources."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.memory import Delay, Remember
from keras_mmdense.layers.padding import pad_to_multiple
from keras_mmdense.layers.stft import check_data_format
from keras_mmdense.layers.tensor import Shape, Tensor

FLOOR = 1e-6
BLOCK = 8
Pair = Sequence[Tensor]


@keras.saving.register_keras_serializable(package="keras_mmdense")
class WienerFilter(keras.layers.Layer):
    """Multichannel Wiener filter, one iteration, for one or two channels.

    The filter of source j is v_j R_j C^-1 with C = sum_k v_k R_k (Nugraha, Liutkus and Vincent
    2016; section 4.2 of the paper). Its spatial covariance is R_j = sum_t s s^H / sum_t |s|^2, with
    the mixture's phase. In place of its PSD, v_j is the channel mean of its magnitude times the
    mixture's: sources then share a bin by their magnitudes, not by their squares, which magnitudes
    that are only estimated suit better (fractional power, Liutkus and Badeau 2015). C is
    regularized by 1e-6 of its mean eigenvalue, so that the filter is the same at every level and
    the sources sum to the mixture. A mono input has no spatial covariance: the filter is then the
    ratio mask of the magnitudes.

    Args:
        reach: int. Frames on either side over which the sums run, a positive multiple of 8; the
            sums move in blocks of 8 frames. Defaults to `None`: all frames of the input.
        data_format: str. `"channels_last"`, or `"channels_first"` for an output `(batch, sources,
            channels, frames, bins)`, which `InverseSTFT` takes without a transposition. Defaults
            to `"channels_last"`.
        last: bool. Whether to return the last source, too, which is what the others leave of the
            mixture: see `LastSource`. Defaults to `True`.

    Input shape:
        A list `[magnitudes, real, imag]`: magnitudes `(batch, sources, frames, bins, channels)`,
        real and imaginary part of the mixture, each `(batch, frames, bins, channels)`.

    Output shape:
        Two tensors, real and imaginary part of the sources, each `(batch, sources, frames, bins,
        channels)`, float32; one source less without the last.

    Raises:
        ValueError: If an argument is invalid, or there are more than two channels.

    Example:

    >>> shapes = (1, 4, 16, 1025, 2), (1, 16, 1025, 2), (1, 16, 1025, 2)
    >>> inputs = [numpy.ones(shape, "float32") for shape in shapes]
    >>> real, imag = keras_mmdense.layers.WienerFilter(reach=64)(inputs)
    >>> tuple(real.shape)
    (1, 4, 16, 1025, 2)
    """

    def __init__(
        self,
        reach: int | None = None,
        data_format: str = "channels_last",
        last: bool = True,
        **kwargs: Any,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if reach is not None and (reach < BLOCK or reach % BLOCK):
            raise ValueError(f"reach must be a positive multiple of {BLOCK}, received {reach}")
        self.reach, self.data_format, self.last = reach, check_data_format(data_format), last

    def build(self, input_shape: Sequence[Shape]) -> None:
        channels = input_shape[0][-1]
        if channels not in (1, 2):
            raise ValueError(f"WienerFilter takes 1 or 2 channels, received {channels}")

    def call(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        magnitudes, real, imag = inputs
        if magnitudes.shape[-1] == 1:
            return self._mono(magnitudes, real, imag)
        frames = ops.shape(real)[1]
        # Never `[:, None]`: TensorFlow Lite copies the tensor for it.
        real, imag = (ops.expand_dims(x, 1) for x in (real, imag))
        magnitudes, real, imag = (self._blocks(x) for x in (magnitudes, real, imag))
        v, covariances = _statistics(magnitudes, real, imag, self._sum)
        mixture = *_rotate(*real), *_rotate(*imag)
        filtered = _stereo_filter(v, covariances, mixture, self.last)
        return tuple(self._join(pair, frames) for pair in filtered)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple[Shape, Shape]:
        batch, sources, frames, bins, channels = input_shape[0]
        sources -= not self.last
        if self.data_format == "channels_last":
            return ((batch, sources, frames, bins, channels),) * 2
        return ((batch, sources, channels, frames, bins),) * 2

    def compute_output_spec(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        shapes = self.compute_output_shape([x.shape for x in inputs])
        return tuple(keras.KerasTensor(shape, dtype="float32") for shape in shapes)

    def get_config(self) -> dict[str, Any]:
        fields = {"reach": self.reach, "data_format": self.data_format, "last": self.last}
        return {**super().get_config(), **fields}

    def _mono(self, magnitudes: Tensor, real: Tensor, imag: Tensor) -> tuple[Tensor, ...]:
        spectra = ratio_mask(magnitudes, real, imag)
        spectra = spectra if self.last else tuple(x[:, :-1] for x in spectra)
        planes = self.data_format == "channels_first"
        return tuple(ops.moveaxis(x, -1, 2) for x in spectra) if planes else spectra

    def _join(self, pair: Pair, frames: int | None = None) -> Tensor:
        """Join two channels in blocks, (batch, sources, blocks, frames of a block, bins).

        Keeps the first `frames`: all of them, without a copy, if there are no others.
        """
        _, sources, count, size, bins = ops.shape(pair[0])
        pair = [ops.reshape(x, (-1, sources, 1, count * size, bins)) for x in pair]
        x = ops.concatenate(pair, axis=2)
        x = x if frames is None else x[:, :, :, :frames]
        return x if self.data_format == "channels_first" else ops.moveaxis(x, 2, -1)

    def _blocks(self, x: Tensor) -> Pair:
        """Unstack the channels and cut the frames into blocks, or one block if there is no reach.

        Channels come to the first axis: TensorFlow Lite is slow on every other one.

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
        # Not `unstack`: XNNPACK does not run it.
        return [ops.reshape(y, (-1, sources, count, size, bins)) for y in (x[:1], x[1:])]

    def _sum(self, x: Tensor) -> Tensor:
        """Sum blocks over frames, each with those within reach; keeps the axes."""
        x = ops.sum(x, axis=3)
        if self.reach is None:
            return ops.expand_dims(x, 3)
        side = self.reach // BLOCK
        return _moving_sum(ops.pad(x, ((0, 0), (0, 0), (side, side), (0, 0))), side)


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
        self._side = side = reach // BLOCK
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
            return self._mono(magnitudes, real, imag)
        real, imag = (ops.expand_dims(x, 1) for x in (real, imag))
        magnitudes, real, imag = (self._blocks(x) for x in (magnitudes, real, imag))
        remembered, side = iter(self._sums), self._side

        def summed(x: Tensor) -> Tensor:
            return _moving_sum(next(remembered)(ops.sum(x, axis=3)), side)

        v, covariances = _statistics(magnitudes, real, imag, summed)
        mixture = [*_rotate(*real), *_rotate(*imag)]
        v, *mixture = (wait(x) for wait, x in zip(self._waits, (v, *mixture), strict=True))
        filtered = _stereo_filter(v, covariances, mixture, self.last)
        return tuple(self._join(pair) for pair in filtered)


def _moving_sum(x: Tensor, side: int) -> Tensor:
    """Sum (batch, sources, blocks, bins) over `side` blocks on either side; keep those inside."""
    sources, count, bins = x.shape[1], ops.shape(x)[2], x.shape[3]
    window = 2 * side + 1
    x = ops.reshape(x, (-1, count, 1, bins))
    x = ops.average_pool(x, (window, 1), 1, "valid", "channels_last") * float(window)
    return ops.reshape(x, (-1, sources, count - window + 1, 1, bins))


def ratio_mask(magnitudes: Tensor, real: Tensor, imag: Tensor) -> tuple[Tensor, Tensor]:
    """Share the mixture among sources by the ratio of their magnitudes.

    Args:
        magnitudes: Magnitudes of the sources, (batch, sources, frames, bins, channels).
        real: Real part of the mixture, (batch, frames, bins, channels).
        imag: Imaginary part of the mixture.

    Returns:
        Real and imaginary part of the sources, with the shape of the magnitudes.
    """
    mask = magnitudes / (ops.sum(magnitudes, axis=1, keepdims=True) + 1e-10)
    return mask * ops.expand_dims(real, 1), mask * ops.expand_dims(imag, 1)


def _statistics(
    magnitudes: Pair, real: Pair, imag: Pair, summed: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Sequence[Tensor]]:
    """Twice v of every source, and the four numbers of its spatial covariance.

    The covariance is that of mid and side instead of left and right: the filter commutes with this
    rotation, and centered music, whose left-right covariance is nearly singular, becomes well
    conditioned. What only depends on the mixture's phase, `apart`, `together` and `turn`, is
    computed once for all sources; none of it cancels.
    """
    left, right = magnitudes
    l_size, r_size = (_size(*x) for x in zip(real, imag, strict=True))
    l_re, l_im, r_re, r_im = real[0] / l_size, imag[0] / l_size, real[1] / r_size, imag[1] / r_size
    apart = ops.square(l_re - r_re) + ops.square(l_im - r_im)
    together = ops.square(l_re + r_re) + ops.square(l_im + r_im)
    turn = (l_re * r_im - l_im * r_re) * 2.0
    product, difference = left * right, left - right
    unequal = ops.square(difference)
    sums = [summed(x) for x in (unequal, product * together, product * apart)]
    mid, side = sums[0] + sums[1], sums[0] + sums[2]
    total = (mid + side) / 2 + 1e-20
    cross = [summed(x) for x in (difference * (left + right), product * turn)]
    return left * l_size + right * r_size, [x / total for x in (mid, side, *cross)]


def _size(real: Tensor, imag: Tensor) -> Tensor:
    return ops.maximum(ops.sqrt(ops.square(real) + ops.square(imag)), 1e-15)


def _stereo_filter(
    v: Tensor, covariances: Sequence[Tensor], mixture: Sequence[Tensor], last: bool
) -> tuple[Pair, Pair]:
    """The filter for two channels, every 2x2 matrix written out; left and right come out."""
    mid_real, side_real, mid_imag, side_imag = mixture
    mm, ss, re, im = (v * r for r in covariances)
    c_mm, c_ss, c_re, c_im = (ops.sum(x, axis=1, keepdims=True) for x in (mm, ss, re, im))
    solved = _solve(c_mm, c_ss, c_re, c_im, (mid_real, mid_imag), (side_real, side_imag))
    if not last:
        mm, ss, re, im = (x[:, :-1] for x in (mm, ss, re, im))
    # The scale of the rotation goes where there is one array for all sources.
    (z0, z1), (z2, z3) = ((x * 0.5**0.5, y * 0.5**0.5) for x, y in solved)
    # Never three terms added: TensorFlow adds those in an order that depends on timing.
    m_real, s_real = mm * z0 + (re * z2 - im * z3), ss * z2 + (re * z0 + im * z1)
    m_imag, s_imag = mm * z1 + (re * z3 + im * z2), ss * z3 + (re * z1 - im * z0)
    return (m_real + s_real, m_real - s_real), (m_imag + s_imag, m_imag - s_imag)


def _rotate(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
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
