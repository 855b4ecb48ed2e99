"""MMDenseNet: an MDenseNet a band and one over the full band (section 2.3 of the paper)."""

from keras import layers

from keras_mmdense.configs import DenseNetConfig
from keras_mmdense.layers.bands import BandSplit
from keras_mmdense.models.blocks import multi_scale
from keras_mmdense.models.heads import head, network_input


def mmdensenet(mixture, config: DenseNetConfig, sources: int):
    """Assembles an MMDenseNet.

    The bands' maps are joined along the bins, after narrower ones were widened by batch norm and a
    1x1 convolution; the full band's maps are joined to them as channels.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: Table of family "mmdensenet".
        sources: Number of sources.

    Returns:
        Magnitudes of the sources, see `heads.head`.

    Raises:
        ValueError: If a band holds no bin.
    """
    banded = [stream for stream in config.streams if stream.band is not None]
    x = network_input(mixture, config)
    inputs = BandSplit(_edges(banded, config, mixture.shape[2]), name="bands_split")(x)
    maps = [
        multi_scale(band, stream, config.bn_momentum)
        for band, stream in zip(inputs, banded, strict=True)
    ]
    widest = max(x.shape[-1] for x in maps)
    maps = [
        _widen(x, widest, config.bn_momentum, stream.name)
        for x, stream in zip(maps, banded, strict=True)
    ]
    joined = [layers.Concatenate(axis=2, name="bands_join")(maps) if maps[1:] else maps[0]]
    joined += [
        multi_scale(x, stream, config.bn_momentum)
        for stream in config.streams
        if stream.band is None
    ]
    x = layers.Concatenate(name="streams_join")(joined) if joined[1:] else joined[0]
    return head(x, mixture, config, sources)


def _edges(banded, config, bins):
    hz_per_bin = config.sample_rate / (2 * (bins - 1))
    return [0] + [round(stream.band[1] / hz_per_bin) for stream in banded[:-1]] + [bins]


def _widen(x, maps, momentum, name):
    if x.shape[-1] == maps:
        return x
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}_join_bn")(x)
    return layers.Conv2D(maps, 1, name=f"{name}_join_conv")(x)
