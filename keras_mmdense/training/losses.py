"""The paper's loss."""

import keras
from keras import ops

from keras_mmdense.layers.stft import STFT, Magnitude


@keras.saving.register_keras_serializable(package="keras_mmdense")
class MagnitudeMSE(keras.losses.Loss):
    """Mean squared error between magnitudes, one value an example.

    The target is a waveform, so that waveforms and not spectrograms cross to the device.

    Args:
        n_fft: Length of the STFT in samples.
        hop: Its hop in samples.

    Called on targets (batch, sources, samples, channels) and magnitudes, (batch, frames, bins,
    channels) of one source or (batch, sources, frames, bins, channels) of several.
    """

    def __init__(self, n_fft: int = 2048, hop: int = 1024, **kwargs):
        super().__init__(**kwargs)
        self.n_fft, self.hop = n_fft, hop
        self.stft = STFT(n_fft, hop)

    def call(self, y_true, y_pred):
        sources, samples, channels = y_true.shape[1:]
        waveforms = ops.reshape(y_true, (-1, samples, channels))
        target = Magnitude()(self.stft(waveforms))
        target = ops.reshape(target, (-1, sources, *target.shape[1:]))
        if sources == 1:
            target = target[:, 0]
        error = ops.square(ops.cast(y_pred, "float32") - target)
        return ops.mean(ops.reshape(error, (ops.shape(error)[0], -1)), axis=-1)

    def get_config(self):
        return {**super().get_config(), "n_fft": self.n_fft, "hop": self.hop}
