"""From a network's last maps to magnitudes."""

from keras import layers

from keras_mmdense.configs import Dense, ModelConfig
from keras_mmdense.layers.sources import SplitSources
from keras_mmdense.models.blocks import dense_block


def head(x, mixture, config: ModelConfig, sources: int):
    """Final dense block, convolution to the output, and what the output means.

    Several sources share the network; the final block then grows by k maps a source.

    Args:
        x: Keras tensor (batch, frames, bins, maps).
        mixture: Magnitude the network was given, (batch, frames, bins, channels).
        config: The network's table.
        sources: Number of sources.

    Returns:
        Magnitudes, float32: (batch, frames, bins, channels) for one source, else
        (batch, sources, frames, bins, channels).
    """
    block = Dense(config.final.k * sources, config.final.layers)
    x = dense_block(x, block, config.final_kernel, config.bn_momentum, "final")
    maps = sources * mixture.shape[-1]
    x = layers.Conv2D(maps, config.output_kernel, padding="same", name="output_conv")(x)
    activation = "sigmoid" if config.output == "mask" else "relu"
    x = layers.Activation(activation, dtype="float32", name="output_activation")(x)
    if sources > 1:
        x = SplitSources(sources, dtype="float32", name="output_sources")(x)
    if config.output == "mask":
        x = layers.Multiply(dtype="float32", name="output_mask")([x, mixture])
    return x
