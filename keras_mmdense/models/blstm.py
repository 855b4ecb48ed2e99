"""BLSTM: bidirectional LSTMs over all bins and channels of a frame."""

from keras import layers

from keras_mmdense.configs import BLSTMConfig
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.heads import crop_band, magnitudes


def blstm(mixture: Tensor, config: BLSTMConfig, targets: int) -> Tensor:
    """Assemble the recurrent baseline.

    Batch norm of each bin and channel, bidirectional LSTM layers, and a dense output layer for all
    bins and channels.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: Table of family "blstm".
        targets: Number of targets.

    Returns:
        Magnitudes of the targets, see `heads.head`.
    """
    bins, channels = mixture.shape[2:]
    x = crop_band(mixture, config)
    x = layers.Reshape((-1, x.shape[2] * channels), name="input_frames")(x)
    x = layers.BatchNormalization(momentum=config.bn_momentum, name="input_bn")(x)
    for i in range(1, config.layers + 1):
        lstm = layers.LSTM(config.cells, return_sequences=True)
        x = layers.Bidirectional(lstm, name=f"lstm{i}")(x)
    x = layers.Dense(bins * targets * channels, name="output_dense")(x)
    x = layers.Reshape((-1, bins, targets * channels), name="output_maps")(x)
    return magnitudes(x, mixture, config.output, targets)
