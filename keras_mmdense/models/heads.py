"""Input and output of the networks: the band they see, and the magnitudes they estimate."""

import dataclasses

from keras import layers

from keras_mmdense.configs import BLSTMConfig, DenseNetConfig, FNNConfig
from keras_mmdense.layers.bands import JoinSubbands, SplitSubbands
from keras_mmdense.layers.magnitude import LogMagnitude
from keras_mmdense.layers.sources import SplitSources
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.blocks import dense_block


def network_input(mixture: Tensor, config: DenseNetConfig) -> Tensor:
    """Transform the mixture's magnitude to the input of the first convolutions.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: The network's table.

    Returns:
        The magnitude itself, or its logarithm with batch norm for each bin; with subbands,
        (batch, frames, bins / subbands, subbands * channels).
    """
    x = mixture
    if config.input == "log":
        x = LogMagnitude((x.shape[2] - 1) / 2, name="input_log")(x)
        x = layers.BatchNormalization(
            axis=2, momentum=config.bn_momentum, dtype="float32", name="input_bn"
        )(x)
    if config.stacked > 1:
        x = SplitSubbands(config.subbands, config.adjacent, name="subbands_split")(x)
    return x


def head(x: Tensor, mixture: Tensor, config: DenseNetConfig, targets: int) -> Tensor:
    """Apply the final dense block and the output convolution.

    Several targets share the network; the final block then has k maps for each of them.

    Args:
        x: Keras tensor (batch, frames, bins, maps).
        mixture: Magnitude of the mixture, (batch, frames, bins, channels).
        config: The network's table.
        targets: Number of targets.

    Returns:
        Magnitudes, float32: (batch, frames, bins, channels) for one target, otherwise
        (batch, targets, frames, bins, channels).
    """
    block = dataclasses.replace(config.final, k=config.final.k * targets)
    x = dense_block(x, block, config.final_kernel, config.bn_momentum, "final")
    maps = targets * mixture.shape[-1] * config.stacked
    x = layers.Conv2D(maps, config.output_kernel, padding="same", name="output_conv")(x)
    if config.stacked > 1:
        x = JoinSubbands(config.subbands, mixture.shape[2], config.adjacent, name="subbands_join")(
            x
        )
    return magnitudes(x, mixture, config.output, targets)


def magnitudes(x: Tensor, mixture: Tensor, output: str, targets: int) -> Tensor:
    """Convert a network's last maps to magnitudes.

    Args:
        x: Keras tensor (batch, frames, bins, targets * channels), without activation.
        mixture: Magnitude of the mixture, (batch, frames, bins, channels).
        output: "mask" or "magnitude", see `SingleConfig`.
        targets: Number of targets.

    Returns:
        Magnitudes, see `head`.
    """
    activation = "sigmoid" if output == "mask" else "relu"
    x = layers.Activation(activation, dtype="float32", name="output_activation")(x)
    if targets > 1:
        x = SplitSources(targets, dtype="float32", name="output_sources")(x)
    if output == "mask":
        x = layers.Multiply(dtype="float32", name="output_mask")([x, mixture])
    return x


def crop_band(mixture: Tensor, config: FNNConfig | BLSTMConfig) -> Tensor:
    """Crop the bins above the table's band limit: (batch, frames, fewer bins, channels)."""
    bins = mixture.shape[2]
    if config.band_limit is None:
        return mixture
    hz_per_bin = config.sample_rate / (2 * (bins - 1))
    above = max(0, bins - 1 - int(config.band_limit / hz_per_bin))
    return layers.Cropping2D(((0, 0), (0, above)), name="input_crop")(mixture)
