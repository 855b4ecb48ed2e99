"""MMDenseNet: an MDenseNet a band and one over the full band (section 2.3 of the paper)."""

from keras import layers

from keras_mmdense.configs import DenseNetConfig
from keras_mmdense.layers.bands import BandSplit
from keras_mmdense.models.blocks import multi_scale
from keras_mmdense.models.heads import head, network_input


def mmdensenet(mixture, config: DenseNetConfig, targets: int):
    """Assembles an MMDenseNet.

    The bands' maps are joined along the bins, after narrower ones were widened by batch norm and a
    1x1 convolution; the full band's maps are joined to them as channels.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: Table of family "mmdensenet".
        targets: Number of targets.

    Returns:
        Magnitudes of the targets, see `heads.head`.

    Raises:
        ValueError: If a band holds no bin.
    """
    banded = [branch for branch in config.branches if branch.band is not None]
    x = network_input(mixture, config)
    inputs = BandSplit(_edges(banded, config, mixture.shape[2]), name="bands_split")(x)
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


def _edges(banded, config, bins):
    hz_per_bin = config.sample_rate / (2 * (bins - 1))
    return [0] + [round(branch.band[1] / hz_per_bin) for branch in banded[:-1]] + [bins]


def _widen(x, maps, momentum, name):
    if x.shape[-1] == maps:
        return x
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}_join_bn")(x)
    return layers.Conv2D(maps, 1, name=f"{name}_join_conv")(x)
