"""Multichannel Wiener filter: from magnitude estimates to complex spectrograms of the sources."""

import keras
from keras import ops

EPSILON = 1e-10


@keras.saving.register_keras_serializable(package="keras_mmdense")
class WienerFilter(keras.layers.Layer):
    """Multichannel Wiener filter, one iteration, for one or two channels.

    Every source is modelled by its PSD v_j (the channel mean of its squared magnitude) and a
    spatial covariance R_j = sum_t s s^H / sum_t v_j, with the mixture's phase; the filter is
    v_j R_j (sum_k v_k R_k + regularisation)^-1 (Nugraha, Liutkus and Vincent 2016; section 4.2 of
    the paper). The statistics run over all frames of the input. A mono input has no spatial
    covariance: the filter is then the ratio mask v_j / sum_k v_k.

    Called on [magnitudes, real, imag]: magnitudes (batch, sources, frames, bins, channels), real
    and imaginary part of the mixture (batch, frames, bins, channels).

    Output: two tensors, real and imaginary part of the sources, each (batch, sources, frames, bins,
    channels), float32.

    Raises:
        ValueError: If the input has more than two channels.
    """

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def build(self, input_shape):
        channels = input_shape[0][-1]
        if channels not in (1, 2):
            raise ValueError(f"WienerFilter takes 1 or 2 channels, received {channels}")

    def call(self, inputs):
        magnitudes, real, imag = inputs
        if magnitudes.shape[-1] == 1:
            return _ratio_mask(magnitudes, real, imag)
        peak = ops.max(ops.square(real) + ops.square(imag), axis=(1, 2, 3), keepdims=True)
        scale = ops.maximum(ops.sqrt(peak) / 10.0, 1e-10)
        real, imag = real / scale, imag / scale
        sources = _stereo_filter(magnitudes / scale[:, None], real, imag)
        return tuple(part * scale[:, None] for part in sources)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0]), tuple(input_shape[0])

    def compute_output_spec(self, inputs):
        return tuple(keras.KerasTensor(inputs[0].shape, dtype="float32") for _ in range(2))


def _ratio_mask(magnitudes, real, imag):
    power = ops.square(magnitudes)
    mask = power / (ops.sum(power, axis=1, keepdims=True) + 1e-10)
    return mask * real[:, None], mask * imag[:, None]


def _stereo_filter(magnitudes, real, imag):
    """The filter for two channels, every 2x2 matrix written out.

    It works on mid and side instead of left and right: the filter commutes with this rotation, and
    centred music, whose left-right covariance is nearly singular, becomes well conditioned.
    """
    gain = magnitudes / ops.maximum(ops.sqrt(ops.square(real) + ops.square(imag)), 1e-15)[:, None]
    m_real, s_real = _rotate(gain * real[:, None])
    m_imag, s_imag = _rotate(gain * imag[:, None])
    mid, side = ops.square(m_real) + ops.square(m_imag), ops.square(s_real) + ops.square(s_imag)
    psd = (mid + side) / 2
    total = EPSILON + ops.sum(psd, axis=2, keepdims=True)
    r_mm, r_ss, r_re, r_im = (
        ops.sum(term, axis=2, keepdims=True) / total
        for term in (
            mid,
            side,
            m_real * s_real + m_imag * s_imag,
            m_imag * s_real - m_real * s_imag,
        )
    )
    x_mid, x_side = zip(_rotate(real), _rotate(imag), strict=True)
    covariance = [ops.sum(psd * r, axis=1) for r in (r_mm, r_ss, r_re, r_im)]
    z_mid, z_side = _solve(*covariance, x_mid, x_side)
    (z0, z1), (z2, z3) = ([z[:, None] for z in pair] for pair in (z_mid, z_side))
    out_real = psd * (r_mm * z0 + r_re * z2 - r_im * z3), psd * (r_ss * z2 + r_re * z0 + r_im * z1)
    out_imag = psd * (r_mm * z1 + r_re * z3 + r_im * z2), psd * (r_ss * z3 + r_re * z1 - r_im * z0)
    return tuple(
        ops.stack(_rotate(ops.stack(pair, axis=-1)), axis=-1) for pair in (out_real, out_imag)
    )


def _rotate(x):
    """Left and right to mid and side, or back: the rotation is its own inverse."""
    return (x[..., 0] + x[..., 1]) * 0.5**0.5, (x[..., 0] - x[..., 1]) * 0.5**0.5


def _solve(c_mm, c_ss, c_re, c_im, mid, side):
    """(C + floor I)^-1 x for the Hermitian matrix [[c_mm, c_re + i c_im], [., c_ss]]."""
    (m_re, m_im), (s_re, s_im) = mid, side
    c_mm, c_ss = c_mm + EPSILON**0.5, c_ss + EPSILON**0.5
    determinant = ops.maximum(c_mm * c_ss - ops.square(c_re) - ops.square(c_im), EPSILON)
    z_mid = (
        (c_ss * m_re - c_re * s_re + c_im * s_im) / determinant,
        (c_ss * m_im - c_re * s_im - c_im * s_re) / determinant,
    )
    z_side = (
        (c_mm * s_re - c_re * m_re - c_im * m_im) / determinant,
        (c_mm * s_im - c_re * m_im + c_im * m_re) / determinant,
    )
    return z_mid, z_side
