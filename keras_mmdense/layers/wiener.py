"""Multichannel Wiener filter: from magnitude estimates to complex spectrograms of the sources."""

import keras
from keras import ops

FLOOR = 1e-6
BLOCK = 8


@keras.saving.register_keras_serializable(package="keras_mmdense")
class WienerFilter(keras.layers.Layer):
    """Multichannel Wiener filter, one iteration, for one or two channels.

    Every source is modelled by its PSD v_j (the channel mean of its squared magnitude) and a
    spatial covariance R_j = sum_t s s^H / sum_t v_j, with the mixture's phase; the filter is
    v_j R_j C^-1 with C = sum_k v_k R_k (Nugraha, Liutkus and Vincent 2016; section 4.2 of the
    paper). C is regularised by 1e-6 of its mean eigenvalue, so that the filter is the same at every
    level and the sources sum to the mixture. A mono input has no spatial covariance: the filter is
    then the ratio mask v_j / sum_k v_k.

    Args:
        reach: Frames on either side over which the sums run, a multiple of 8; the sums move on in
            blocks of 8 frames. None stands for all frames of the input.

    Called on [magnitudes, real, imag]: magnitudes (batch, sources, frames, bins, channels), real
    and imaginary part of the mixture (batch, frames, bins, channels).

    Output: two tensors, real and imaginary part of the sources, each (batch, sources, frames, bins,
    channels), float32.

    Raises:
        ValueError: If `reach` is no positive multiple of 8, or there are more than two channels.
    """

    def __init__(self, reach: int | None = None, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if reach is not None and (reach < BLOCK or reach % BLOCK):
            raise ValueError(f"reach must be a positive multiple of {BLOCK}, received {reach}")
        self.reach = reach

    def build(self, input_shape):
        channels = input_shape[0][-1]
        if channels not in (1, 2):
            raise ValueError(f"WienerFilter takes 1 or 2 channels, received {channels}")

    def call(self, inputs):
        magnitudes, real, imag = inputs
        if magnitudes.shape[-1] == 1:
            return _ratio_mask(magnitudes, real, imag)
        return _stereo_filter(magnitudes, real, imag, self._sum)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0]), tuple(input_shape[0])

    def compute_output_spec(self, inputs):
        return tuple(keras.KerasTensor(inputs[0].shape, dtype="float32") for _ in range(2))

    def get_config(self):
        return {**super().get_config(), "reach": self.reach}

    def _sum(self, x):
        """Sums (batch, sources, frames, bins) over frames, for every frame over its reach."""
        if self.reach is None:
            return ops.sum(x, axis=2, keepdims=True)
        sources, bins, frames = x.shape[1], x.shape[3], ops.shape(x)[2]
        blocks = (frames + BLOCK - 1) // BLOCK
        x = ops.pad(x, ((0, 0), (0, 0), (0, BLOCK - 1), (0, 0)))[:, :, : blocks * BLOCK]
        x = ops.sum(ops.reshape(x, (-1, blocks, BLOCK, bins)), axis=2)
        side = self.reach // BLOCK
        x = ops.pad(x, ((0, 0), (side, side), (0, 0)))[:, :, None]
        x = ops.average_pool(x, (2 * side + 1, 1), 1, "valid", "channels_last") * (2.0 * side + 1)
        x = ops.repeat(x, BLOCK, axis=2)
        return ops.reshape(x, (-1, sources, blocks * BLOCK, bins))[:, :, :frames]


def _ratio_mask(magnitudes, real, imag):
    power = ops.square(magnitudes)
    mask = power / (ops.sum(power, axis=1, keepdims=True) + 1e-10)
    return mask * real[:, None], mask * imag[:, None]


def _stereo_filter(magnitudes, real, imag, summed):
    """The filter for two channels, every 2x2 matrix written out.

    It works on mid and side instead of left and right: the filter commutes with this rotation, and
    centred music, whose left-right covariance is nearly singular, becomes well conditioned.
    """
    gain = magnitudes / ops.maximum(ops.sqrt(ops.square(real) + ops.square(imag)), 1e-15)[:, None]
    (m_real, s_real), (m_imag, s_imag) = (_mid_side(gain * x[:, None]) for x in (real, imag))
    mid, side = ops.square(m_real) + ops.square(m_imag), ops.square(s_real) + ops.square(s_imag)
    psd = (mid + side) / 2
    total = summed(psd) + 1e-20
    r_mm, r_ss = summed(mid) / total, summed(side) / total
    r_re = summed(m_real * s_real + m_imag * s_imag) / total
    r_im = summed(m_imag * s_real - m_real * s_imag) / total
    n_im = -r_im
    covariance = [ops.sum(psd * r, axis=1) for r in (r_mm, r_ss, r_re, r_im)]
    z_mid, z_side = _solve(*covariance, *zip(_mid_side(real), _mid_side(imag), strict=True))
    (z0, z1), (z2, z3) = ([z[:, None] for z in pair] for pair in (z_mid, z_side))
    # Never three terms added: TensorFlow adds those in an order that depends on timing.
    out_real = psd * (r_mm * z0 + r_re * z2 - r_im * z3), psd * (r_ss * z2 + r_re * z0 - n_im * z1)
    out_imag = psd * (r_mm * z1 + r_re * z3 - n_im * z2), psd * (r_ss * z3 + r_re * z1 - r_im * z0)
    return tuple(_left_right(*pair) for pair in (out_real, out_imag))


def _mid_side(x):
    """Mid and side of (..., 2), without the last axis.

    Channels are taken apart on the first axis: TensorFlow Lite is slow at every other number.
    """
    return _rotate(*ops.unstack(ops.moveaxis(x, -1, 0), 2))


def _left_right(mid, side):
    """Left and right on a last axis."""
    return ops.moveaxis(ops.stack(_rotate(mid, side)), 0, -1)


def _rotate(a, b):
    """The rotation between left and right, mid and side: its own inverse."""
    return (a + b) * 0.5**0.5, (a - b) * 0.5**0.5


def _solve(c_mm, c_ss, c_re, c_im, mid, side):
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
