"""FNN: a frame from its neighbors by dense layers, for each channel."""

from keras import layers

from keras_mmdense.configs import FNNConfig
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.heads import crop_band, magnitudes


def fnn(mixture: Tensor, config: FNNConfig, targets: int) -> Tensor:
    """Assemble the feed-forward baseline.

    Batch norm of each bin, ReLU layers, and an output layer. The network is mono: the channels
    share its weights. Its first layer sees 2 * context + 1 frames and is implemented as a
    convolution over frames; frames beyond the ends are zero.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: Table of family "fnn".
        targets: Number of targets.

    Returns:
        Magnitudes of the targets, see `heads.head`.
    """
    bins, channels = mixture.shape[2:]
    x = crop_band(mixture, config)
    x = layers.Permute((1, 3, 2), name="input_permute")(x)
    x = layers.BatchNormalization(momentum=config.bn_momentum, name="input_bn")(x)
    kernel = (2 * config.context + 1, 1)
    options = {"padding": "same", "activation": "relu", "name": "dense1"}
    x = layers.Conv2D(config.hidden, kernel, **options)(x)
    for i in range(2, config.layers):
        x = layers.Dense(config.hidden, activation="relu", name=f"dense{i}")(x)
    x = layers.Dense(targets * bins, name=f"dense{config.layers}")(x)
    x = layers.Reshape((-1, channels, targets, bins), name="output_reshape")(x)
    x = layers.Permute((1, 4, 3, 2), name="output_permute")(x)
    x = layers.Reshape((-1, bins, targets * channels), name="output_maps")(x)
    return magnitudes(x, mixture, config.output, targets)
