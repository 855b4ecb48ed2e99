"""Upper bounds of the size of a table's network, before it is built."""

from collections.abc import Sequence

from keras_mmdense.configs.parts import DenseBlock
from keras_mmdense.configs.schema import (
    BlendConfig,
    BLSTMConfig,
    DenseNetConfig,
    FNNConfig,
    ModelConfig,
)
from keras_mmdense.errors import InputError
from keras_mmdense.utils.values import SIGNAL_LIMITS, check_whole

MAX_LAYERS = 1000
MAX_PARAMETERS = 1 << 28
MAX_BINS = (1 << 16) + 1
MAX_MAPS = 1 << 23  # maps of one frame: those of a convolution times its bins


def check_size(config: ModelConfig, bins: int, channels: int) -> None:
    """Check that the network of an untrusted table is not too large, before it is built.

    Args:
        config: The table.
        bins: Frequency bins of its spectrograms.
        channels: Audio channels.

    Raises:
        InputError: If the bins are not from 9 to 65537, the channels are not from 1 to 64, or the
            network may have too many layers, parameters or maps.
    """
    check_whole("bins", bins, 9, MAX_BINS)
    check_whole("channels", channels, *SIGNAL_LIMITS["channels"])
    sizes = _bound(config, bins, channels)
    limits = {"layers": MAX_LAYERS, "parameters": MAX_PARAMETERS, "maps per frame": MAX_MAPS}
    for (name, limit), size in zip(limits.items(), sizes, strict=True):
        if size > limit:
            raise InputError(f"the network may have {size} {name}; the limit is {limit}")


def _bound(config: ModelConfig, bins: int, channels: int) -> tuple[int, ...]:
    """Upper bounds of a network's layers, parameters and maps per frame."""
    if isinstance(config, BlendConfig):
        parts = [_bound(part, bins, channels) for part in (config.first, config.second)]
        return tuple(map(sum, zip(*parts, strict=True)))
    if isinstance(config, FNNConfig):
        seen = (2 * config.context + 1) * bins
        units = config.hidden * max(config.hidden, seen)
        return config.layers, config.layers * units, channels * max(config.hidden, seen)
    if isinstance(config, BLSTMConfig):
        seen, cells = channels * bins, config.cells
        parameters = config.layers * 8 * cells * (seen + 3 * cells)
        return config.layers, parameters, max(seen, 8 * cells)
    assert isinstance(config, DenseNetConfig)
    layers = parameters = maps = 0
    for branch in config.branches:
        first = branch.first.maps
        parameters += _area(branch.first.kernel) * channels * config.subbands * first
        if branch.tdf:
            parameters += 2 * len(branch.blocks) * bins * max(8, bins // branch.tdf)
        sizes = _dense(branch.blocks, _area(branch.kernel), first, bins)
        layers, parameters, maps = (
            layers + sizes[0] + 2 * branch.scales,
            parameters + sizes[1],
            maps + sizes[2],
        )
    sizes = _dense((config.final,), _area(config.final_kernel), maps, bins)
    parameters += sizes[1] + _area(config.output_kernel) * sizes[2] * channels * config.subbands
    return layers + sizes[0], parameters, sizes[2] * bins


def _dense(blocks: Sequence[DenseBlock], area: int, maps: int, bins: int) -> tuple[int, int, int]:
    """Upper bounds of dense blocks after `maps`, as if each saw the maps of all earlier ones."""
    layers = parameters = 0
    for block in blocks:
        seen = maps
        maps += block.layers * block.k + (block.cells > 0)
        layers += block.layers
        parameters += block.layers * block.k * area * maps + 4 * seen * maps
        parameters += 8 * block.cells * (block.cells + bins + maps)
    return layers, parameters, maps


def _area(kernel: tuple[int, int]) -> int:
    return kernel[0] * kernel[1]
