"""Losses for training, with one value per example."""

import math
from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.magnitude import Magnitude
from keras_mmdense.layers.stft import STFT
from keras_mmdense.layers.tensor import Tensor

SNR_LIMIT = 1e-3
QUIET = 1e-6


def full_scale(n_fft: int) -> float:
    """Return the mean power of a bin when samples have the power 1."""
    return 3 / 8 * n_fft


class _SpectralLoss(keras.losses.Loss):
    """Base of losses between spectrograms, whose target is a waveform.

    Waveforms and not spectrograms are copied to the device.

    Args:
        n_fft: Length of the STFT in samples.
        hop: Its hop in samples.

    Targets are (batch, sources, samples, channels), and estimates (batch, frames, bins, channels)
    of one source or (batch, sources, frames, bins, channels) of several. If `domain` is not
    "magnitude", an estimate has twice the channels: real parts, then imaginary parts. If it is
    "shared", what the targets leave of the mixture may be one more estimate. Samples that are not
    numbers say that a target is a part of the one before: their estimates are summed.
    """

    domain = "magnitude"

    def __init__(self, n_fft: int = 2048, hop: int = 1024, **kwargs: Any):
        super().__init__(**kwargs)
        self.n_fft, self.hop = n_fft, hop
        self.stft = STFT(n_fft, hop)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        sources, samples, channels = y_true.shape[1:]
        joined = ops.isnan(y_true[:, :, 0, 0])
        y_true = ops.where(ops.expand_dims(joined, (2, 3)), 0.0, y_true)
        real, imag = self.stft(ops.reshape(y_true, (-1, samples, channels)))
        if self.domain == "magnitude":
            target = Magnitude()([real, imag])
        else:
            target = ops.concatenate([real, imag], axis=-1)
        estimates = 1 if len(y_pred.shape) == 4 else y_pred.shape[1]
        estimate = ops.reshape(ops.cast(y_pred, "float32"), (-1, estimates, *target.shape[1:]))
        estimate = _sum_joined(estimate, joined)
        return self.distance(ops.reshape(target, (-1, sources, *target.shape[1:])), estimate)

    def distance(self, target: Tensor, estimate: Tensor) -> Tensor:
        """Return one value for each example, (batch,)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n_fft": self.n_fft, "hop": self.hop}


def _sum_joined(estimate: Tensor, joined: Tensor) -> Tensor:
    """Add estimates to those before that their targets are a part of, and leave zeros.

    Args:
        estimate: (batch, sources or one more, frames, bins, channels).
        joined: Whether each target is a part of the one before, (batch, sources).

    Returns:
        The estimates of what the targets are, with the same shape.
    """
    more = estimate.shape[1] - joined.shape[1]
    first = 1.0 - ops.cast(ops.pad(joined, ((0, 0), (0, more))), "float32")
    group = ops.cumsum(first, axis=1)
    same = ops.equal(ops.expand_dims(group, 2), ops.expand_dims(group, 1))
    sums = ops.cast(same, "float32") * ops.expand_dims(first, 2)
    flat = ops.reshape(estimate, (-1, estimate.shape[1], math.prod(estimate.shape[2:])))
    return ops.reshape(ops.matmul(sums, flat), (-1, *estimate.shape[1:]))


@keras.saving.register_keras_serializable(package="keras_mmdense")
class MagnitudeMSE(_SpectralLoss):
    """Mean squared error between magnitudes, the paper's loss."""

    def distance(self, target: Tensor, estimate: Tensor) -> Tensor:
        return ops.mean(ops.square(estimate - target), axis=(1, 2, 3, 4))


@keras.saving.register_keras_serializable(package="keras_mmdense")
class MagnitudeL1(_SpectralLoss):
    """Mean absolute error between magnitudes."""

    def distance(self, target: Tensor, estimate: Tensor) -> Tensor:
        return ops.mean(ops.abs(estimate - target), axis=(1, 2, 3, 4))


@keras.saving.register_keras_serializable(package="keras_mmdense")
class ComplexMSE(_SpectralLoss):
    """Mean squared error between complex spectrograms; the estimate has the mixture's phase."""

    domain = "complex"

    def distance(self, target: Tensor, estimate: Tensor) -> Tensor:
        return ops.mean(ops.square(estimate - target), axis=(1, 2, 3, 4))


@keras.saving.register_keras_serializable(package="keras_mmdense")
class RelativeMSE(_SpectralLoss):
    """Energy of the errors of all sources relative to that of the sources.

    The sources share the mixture by the ratio of their magnitudes. Each example has the same
    weight, regardless of its level, which is not less than -60 dB of full scale. Within an example,
    loud sources count more than quiet ones. What the targets leave of the mixture is a source, too.
    """

    domain = "shared"

    def distance(self, target: Tensor, estimate: Tensor) -> Tensor:
        if estimate.shape[1] > target.shape[1]:
            total, known = (ops.sum(x, axis=1, keepdims=True) for x in (estimate, target))
            target = ops.concatenate([target, total - known], axis=1)
        signal = ops.mean(ops.square(target), axis=(1, 2, 3, 4))
        noise = ops.mean(ops.square(estimate - target), axis=(1, 2, 3, 4))
        return noise / (signal + QUIET * full_scale(self.n_fft))


@keras.saving.register_keras_serializable(package="keras_mmdense")
class ComplexSNR(_SpectralLoss):
    """Negative signal-to-noise ratio in dB, the mean over sources, with the mixture's phase.

    Each source of each example has the same weight, regardless of its level. The ratio saturates at
    30 dB (Wisdom et al. 2020, arXiv 2006.12701), and at -60 dB of full scale for a quiet target.
    """

    domain = "complex"

    def distance(self, target: Tensor, estimate: Tensor) -> Tensor:
        scale = full_scale(self.n_fft)
        signal = ops.mean(ops.square(target), axis=(2, 3, 4)) / scale + QUIET
        noise = ops.mean(ops.square(estimate - target), axis=(2, 3, 4)) / scale
        ratio = ops.log((noise + SNR_LIMIT * signal) / signal)
        return ops.mean(ratio, axis=1) * (10 / ops.log(10.0))


@keras.saving.register_keras_serializable(package="keras_mmdense")
class WienerSNR(ComplexSNR):
    """`ComplexSNR` after the multichannel Wiener filter."""

    domain = "filtered"


LOSSES = {
    "mse": MagnitudeMSE,
    "l1": MagnitudeL1,
    "complex": ComplexMSE,
    "relative": RelativeMSE,
    "snr": ComplexSNR,
    "wiener": WienerSNR,
}
