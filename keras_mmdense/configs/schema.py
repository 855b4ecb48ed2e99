"""Networks as data: frozen, validated dataclasses that read like the paper's Table 1.

Each family of networks has its own table: `DenseNetConfig`, `FNNConfig`, `BLSTMConfig`,
`BlendConfig`. Their base class `ModelConfig` reads and writes all of them.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, ClassVar

from keras_mmdense.configs.parts import (
    MAX_HZ,
    Branch,
    Conv,
    DenseBlock,
    check_kernel,
    check_one_of,
    check_tiling,
)
from keras_mmdense.errors import InputError
from keras_mmdense.utils.files import read_json
from keras_mmdense.utils.values import SIGNAL_LIMITS, check_number, check_whole, is_number

INPUTS = ("linear", "log")
OUTPUTS = ("mask", "magnitude")
MAX_CONTEXT = 1 << 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Base of all tables.

    Args:
        name: Name of the network.
        family: Builder of the network, such as "mmdensenet" or "blstm".
        sample_rate: Rate in Hz of the network's audio. Defaults to `44100`.
        n_fft: Length of the STFT in samples; the network's spectrograms have n_fft / 2 + 1 bins.
            Defaults to `2048`.
        hop: Hop of the STFT in samples, a divisor of `n_fft`. Defaults to `1024`.

    Raises:
        ValueError: If a value is out of range.
    """

    FAMILIES: ClassVar[tuple[str, ...]] = ()

    name: str
    family: str
    sample_rate: int = 44100
    n_fft: int = 2048
    hop: int = 1024

    def __post_init__(self) -> None:
        check_one_of("family", self.family, self.FAMILIES)
        for field in ("sample_rate", "n_fft", "hop"):
            check_whole(field, getattr(self, field), *SIGNAL_LIMITS[field])
        if self.n_fft % 2 or self.n_fft % self.hop or self.n_fft < 2 * self.hop:
            raise ValueError(
                f"n_fft must be an even multiple of the hop, received {self.n_fft} with a hop of "
                f"{self.hop}"
            )

    @property
    def bins(self) -> int:
        """Frequency bins of the network's spectrograms."""
        return self.n_fft // 2 + 1

    @property
    def summary(self) -> str:
        """The network's shape in a few words."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain dicts and lists, ready for JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "ModelConfig":
        """Create a table from what `to_dict` returned.

        Args:
            table: Nested dicts and lists, keyed by the fields of the dataclasses.

        Returns:
            The validated table of its family.

        Raises:
            ValueError: If a field is unknown, missing, or out of range.
        """
        try:
            check_one_of("family", table["family"], tuple(CONFIGS))
            config = CONFIGS[table["family"]]
            return config(**config._read(dict(table)))
        except KeyError as error:
            raise ValueError(f"the table lacks the field {error}") from error
        except (TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"the table does not fit: {error}") from error

    def to_json(self, path: str | Path) -> None:
        """Write the table to a JSON file.

        Args:
            path: The file to write.
        """
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def from_json(cls, path: str | Path) -> "ModelConfig":
        """Read a table from a JSON file.

        Args:
            path: A file that `to_json` wrote.

        Returns:
            The validated table of its family.

        Raises:
            InputError: If the file cannot be read or the table is invalid.
        """
        table = read_json(path)
        try:
            return cls.from_dict(table)
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def _read(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Convert nested dicts to the dataclasses of the fields."""
        return fields


@dataclasses.dataclass(frozen=True, kw_only=True)
class SingleConfig(ModelConfig):
    """Base of all tables except those of blends.

    Args:
        output: "mask" multiplies the input's magnitude by a sigmoid; "magnitude" is the paper's
            direct ReLU output. Defaults to `"mask"`.
        bn_momentum: Momentum of the batch normalization statistics. Defaults to `0.9`.
    """

    output: str = "mask"
    bn_momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("output", self.output, OUTPUTS)
        if not is_number(self.bn_momentum) or not 0 < self.bn_momentum < 1:
            raise ValueError(f"bn_momentum must lie in (0, 1), received {self.bn_momentum!r}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenseNetConfig(SingleConfig):
    """Table of a DenseNet with one or more scales and bands.

    Args:
        branches: Columns of the table. The bands must tile the spectrum from 0 Hz to the Nyquist
            frequency; at most one more branch may cover the full band. Families other than
            "mmdensenet" have a single full-band branch.
        final: Dense block after the branches are joined.
        final_kernel: Kernel of the layers of `final` as (frames, bins). Defaults to `(3, 3)`.
        output_kernel: Kernel of the output convolution as (frames, bins). Defaults to `(1, 2)`.
        input: "linear" magnitude, as in the paper, or its "log" with batch norm for each bin.
            Defaults to `"linear"`.
        subbands: Number of equal bands that the bins are split into and that become channels of
            the network (channel-wise subbands, Liu et al. 2020, arXiv 2008.05216). More than one
            require a single full-band branch. Defaults to `1`, as in the paper.
        adjacent: Number of adjacent bins that become channels besides the subbands, so that an STFT
            with finer bins needs no larger network. Defaults to `1`, as in the paper.
    """

    FAMILIES: ClassVar = ("densenet", "mdensenet", "mmdensenet")

    branches: tuple[Branch, ...]
    final: DenseBlock
    final_kernel: tuple[int, int] = (3, 3)
    output_kernel: tuple[int, int] = (1, 2)
    input: str = "linear"
    subbands: int = 1
    adjacent: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "branches", tuple(self.branches))
        object.__setattr__(self, "final_kernel", check_kernel(self.final_kernel))
        object.__setattr__(self, "output_kernel", check_kernel(self.output_kernel))
        check_one_of("input", self.input, INPUTS)
        check_whole("subbands", self.subbands)
        check_whole("adjacent", self.adjacent)
        if 8 * self.stacked > self.bins:
            raise ValueError(
                f"subbands * adjacent must be at most an eighth of {self.bins} bins, received "
                f"{self.subbands} * {self.adjacent}"
            )
        names = [branch.name for branch in self.branches]
        if self.stacked > 1 and (len(names) != 1 or self.branches[0].band is not None):
            raise ValueError(f"subbands and adjacent need one full-band branch, received {names}")
        if len(set(names)) != len(names):
            raise ValueError(f"branch names must differ, received {names}")
        if self.family == "mmdensenet":
            check_tiling(self.branches)
        elif len(self.branches) != 1 or self.branches[0].band is not None:
            raise ValueError(f"{self.family} takes one full-band branch, received {names}")

    @property
    def stacked(self) -> int:
        """Bins that share a place as channels of the network."""
        return self.subbands * self.adjacent

    @property
    def recurrent(self) -> bool:
        """Whether any block has an LSTM."""
        blocks = [self.final, *(block for branch in self.branches for block in branch.blocks)]
        return any(block.cells for block in blocks)

    @property
    def summary(self) -> str:
        """The network's shape in a few words."""
        branches = ", ".join(branch.name for branch in self.branches)
        parts = [
            f"{self.subbands} subbands" if self.subbands > 1 else branches,
            "LSTMs" if self.recurrent else "",
            "TDF" if any(branch.tdf for branch in self.branches) else "",
        ]
        return " with ".join(filter(None, parts))

    @classmethod
    def _read(cls, fields: dict[str, Any]) -> dict[str, Any]:
        old = fields.pop("streams", None)  # 0.1.0
        branches = tuple(_branch(branch) for branch in old or fields["branches"])
        return {**fields, "branches": branches, "final": DenseBlock(**fields["final"])}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FNNConfig(SingleConfig):
    """Table of the feed-forward baseline, which estimates a frame from several.

    Args:
        context: Frames that the network sees on either side of a frame, C in the literature.
            Defaults to `3`.
        layers: Number of dense layers, including the output layer. Defaults to `4`.
        hidden: Units of each layer except the last. Defaults to `512`.
        band_limit: Highest frequency in Hz that the network sees, None for all; it estimates all
            bins. Defaults to `16000`.
    """

    FAMILIES: ClassVar = ("fnn",)

    family: str = "fnn"
    context: int = 3
    layers: int = 4
    hidden: int = 512
    band_limit: float | None = 16000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("context", self.context, 1, MAX_CONTEXT)
        check_whole("hidden", self.hidden)
        check_whole("layers", self.layers, 2)
        _check_band_limit(self.band_limit)

    @property
    def summary(self) -> str:
        """The network's shape in a few words."""
        return f"{2 * self.context + 1} frames, {self.layers} layers of {self.hidden}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class BLSTMConfig(SingleConfig):
    """Table of the recurrent baseline: bidirectional LSTMs over all bins and channels.

    Args:
        cells: Cells of each LSTM layer in each direction. Defaults to `500`.
        layers: Number of bidirectional LSTM layers. Defaults to `3`.
        band_limit: Highest frequency in Hz that the network sees, None for all; it estimates all
            bins. Defaults to `16000`.
    """

    FAMILIES: ClassVar = ("blstm",)

    family: str = "blstm"
    cells: int = 500
    layers: int = 3
    band_limit: float | None = 16000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("cells", "layers"):
            check_whole(field, getattr(self, field))
        _check_band_limit(self.band_limit)

    @property
    def summary(self) -> str:
        """The network's shape in a few words."""
        return f"{self.layers} layers of 2 x {self.cells} cells"


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlendConfig(ModelConfig):
    """Table of two networks whose outputs are blended: share * first + (1 - share) * second.

    Args:
        first: Table of the first network.
        second: Table of the second network; both have the blend's sample rate, `n_fft` and hop.
        share: Share of the first network in the output, the paper's lambda. Defaults to `0.25`.
    """

    FAMILIES: ClassVar = ("blend",)

    family: str = "blend"
    first: ModelConfig
    second: ModelConfig
    share: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.share, 0, 1):
            raise ValueError(f"share must lie in [0, 1], received {self.share!r}")
        for part in (self.first, self.second):
            if not isinstance(part, ModelConfig):
                raise ValueError(f"a part of a blend must be a table, received {part!r}")
            for field in ("sample_rate", "n_fft", "hop"):
                if getattr(part, field) != getattr(self, field):
                    raise ValueError(
                        f"{field} of {part.name} must be the blend's {getattr(self, field)}, "
                        f"received {getattr(part, field)}"
                    )

    @property
    def summary(self) -> str:
        """The network's shape in a few words."""
        return f"{self.share:g} {self.first.name} + {1 - self.share:g} {self.second.name}"

    @classmethod
    def _read(cls, fields: dict[str, Any]) -> dict[str, Any]:
        parts = {part: ModelConfig.from_dict(fields[part]) for part in ("first", "second")}
        return {**fields, **parts}


CONFIGS = {
    family: config
    for config in (DenseNetConfig, FNNConfig, BLSTMConfig, BlendConfig)
    for family in config.FAMILIES
}


def _branch(table: dict[str, Any]) -> Branch:
    fields = dict(table)
    fields["first"] = Conv(**fields["first"])
    fields["blocks"] = tuple(DenseBlock(**block) for block in fields["blocks"])
    return Branch(**fields)


def _check_band_limit(limit: float | None) -> None:
    if limit is not None:
        check_number("band_limit in Hz", limit, 1, MAX_HZ)
