"""MMDenseNet: an MDenseNet for each band and one for the full band (section 2.3 of the paper)."""

from collections.abc import Sequence

from keras import layers

from keras_mmdense.configs import DenseNetConfig
from keras_mmdense.layers.bands import BandSplit
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.blocks import multi_scale
from keras_mmdense.models.heads import head, network_input


def mmdensenet(mixture: Tensor, config: DenseNetConfig, targets: int) -> Tensor:
    """Assemble an MMDenseNet.

    The bands' maps are concatenated along the bins, after batch norm and a 1x1 convolution widen
    the narrower ones; the full band's maps are appended as channels.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: Table of family "mmdensenet".
        targets: Number of targets.

    Returns:
        Magnitudes of the targets, see `heads.head`.

    Raises:
        ValueError: If a band contains no bin.
    """
    banded = [branch for branch in config.branches if branch.band is not None]
    highest = [branch.band[1] for branch in config.branches if branch.band is not None]
    x = network_input(mixture, config)
    inputs = BandSplit(_edges(highest, config, mixture.shape[2]), name="bands_split")(x)
    maps = [
        multi_scale(band, branch, config.bn_momentum)
        for band, branch in zip(inputs, banded, strict=True)
    ]
    widest = max(x.shape[-1] for x in maps)
    maps = [
        _widen(x, widest, config.bn_momentum, branch.name)
        for x, branch in zip(maps, banded, strict=True)
    ]
    joined = [layers.Concatenate(axis=2, name="bands_join")(maps) if maps[1:] else maps[0]]
    joined += [
        multi_scale(x, branch, config.bn_momentum)
        for branch in config.branches
        if branch.band is None
    ]
    x = layers.Concatenate(name="streams_join")(joined) if joined[1:] else joined[0]
    return head(x, mixture, config, targets)


def _edges(highest: Sequence[float | None], config: DenseNetConfig, bins: int) -> list[int]:
    hz_per_bin = config.sample_rate / (2 * (bins - 1))
    return [0] + [bins if hz is None else round(hz / hz_per_bin) for hz in highest]


def _widen(x: Tensor, maps: int, momentum: float, name: str) -> Tensor:
    if x.shape[-1] == maps:
        return x
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}_join_bn")(x)
    return layers.Conv2D(maps, 1, name=f"{name}_join_conv")(x)
