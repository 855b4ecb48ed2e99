"""Parts of the DenseNets' tables, and checks that all tables share."""

import dataclasses
from collections.abc import Iterable

from keras_mmdense.utils.values import check_number, check_whole, is_whole

MAX_HZ = 384_000
MAX_SCALES = 16


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution of the table.

    Args:
        kernel: Size as (frames, bins).
        maps: Number of output maps.
    """

    kernel: tuple[int, int]
    maps: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", check_kernel(self.kernel))
        check_whole("maps", self.maps)


@dataclasses.dataclass(frozen=True)
class DenseBlock:
    """A dense block of the table: `layers` composite layers of growth rate `k`.

    Args:
        k: Growth rate, the number of maps each layer adds.
        layers: Number of composite layers, L in the paper.
        cells: Cells in each direction of a bidirectional LSTM that adds one more map to the block's
            output (MMDenseLSTM, 2018). Defaults to `0`: none.
    """

    k: int
    layers: int
    cells: int = 0

    def __post_init__(self) -> None:
        check_whole("k", self.k)
        check_whole("layers", self.layers)
        if self.cells != 0:
            check_whole("cells", self.cells)


@dataclasses.dataclass(frozen=True)
class Branch:
    """One column of the table: a network over one band, or over the full band.

    Args:
        name: Prefix of the layers' names, such as "low".
        first: First convolution.
        blocks: Dense blocks from input to output. With S scales there are 2 S + 1 of them: S on the
            way down, one at the bottleneck, S on the way up.
        scales: Number of times the branch halves its frames and bins; 0 for a single scale.
        kernel: Kernel of every dense layer as (frames, bins).
        band: (lowest, highest) frequency in Hz; a highest frequency of None is the Nyquist
            frequency. Defaults to `None`: the full band.
        tdf: Bottleneck factor of a time-distributed fully connected block after each dense block
            (Choi et al. 2020, arXiv 2010.11631), such as 8. Defaults to `0`: none, as in the paper.
    """

    name: str
    first: Conv
    blocks: tuple[DenseBlock, ...]
    scales: int
    kernel: tuple[int, int]
    band: tuple[float, float | None] | None = None
    tdf: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "kernel", check_kernel(self.kernel))
        if self.band is not None:
            object.__setattr__(self, "band", tuple(self.band))
            if len(self.band) != 2:
                raise ValueError(f"band must be (lowest, highest) in Hz, received {self.band}")
            for edge in self.band:
                if edge is not None:
                    check_number("an edge of a band in Hz", edge, 0, MAX_HZ)
        if not (self.name.isidentifier() and self.name.isascii()):
            raise ValueError(f"branch name must be an ASCII identifier, received {self.name!r}")
        check_whole("scales", self.scales, 0, MAX_SCALES)
        if self.tdf != 0:
            check_whole("tdf", self.tdf)
        if not self.blocks:
            raise ValueError(f"branch {self.name!r} has no dense blocks")
        if self.scales and len(self.blocks) != 2 * self.scales + 1:
            raise ValueError(
                f"branch {self.name!r} with {self.scales} scales needs {2 * self.scales + 1} dense "
                f"blocks, received {len(self.blocks)}"
            )


def check_tiling(branches: tuple[Branch, ...]) -> None:
    """Raise ValueError unless the bands tile the spectrum, besides at most one full band."""
    bands = [branch.band for branch in branches if branch.band is not None]
    if len(branches) - len(bands) > 1:
        raise ValueError("at most one branch may cover the full band")
    edges = [0.0] + [high for _, high in bands]
    tiles = [low == edge for (low, _), edge in zip(bands, edges, strict=False)]
    if not bands or not all(tiles) or edges[-1] is not None or None in edges[:-1]:
        raise ValueError(
            f"bands must tile the spectrum in rising order from 0 Hz to None, received {bands}"
        )


def check_kernel(kernel: Iterable[int]) -> tuple[int, int]:
    """Return a kernel as (frames, bins); raise ValueError if it is invalid."""
    sizes = tuple(kernel)
    if len(sizes) != 2 or not all(map(is_whole, sizes)):
        raise ValueError(f"a kernel is (frames, bins), received {sizes}")
    return sizes[0], sizes[1]


def check_one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, received {value!r}")
