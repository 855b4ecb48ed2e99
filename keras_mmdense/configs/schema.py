"""What a network is, as data: frozen, validated dataclasses that read like the paper's Table 1."""

import dataclasses
import json
from pathlib import Path
from typing import Any

FAMILIES = ("densenet", "mdensenet", "mmdensenet")
OUTPUTS = ("mask", "magnitude")


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution of the table.

    Args:
        kernel: Size as (frames, bins).
        maps: Number of output maps.
    """

    kernel: tuple[int, int]
    maps: int

    def __post_init__(self):
        object.__setattr__(self, "kernel", _kernel(self.kernel))
        _positive("maps", self.maps)


@dataclasses.dataclass(frozen=True)
class Dense:
    """A dense block of the table: `layers` composite layers of growth rate `k`.

    Args:
        k: Growth rate, the number of maps each layer adds.
        layers: Number of composite layers, L in the paper.
    """

    k: int
    layers: int

    def __post_init__(self):
        _positive("k", self.k)
        _positive("layers", self.layers)


@dataclasses.dataclass(frozen=True)
class Stream:
    """One column of the table: a network over one band, or over the full band.

    Args:
        name: Name used as prefix of the layers, such as "low".
        first: First convolution.
        blocks: Dense blocks from input to output. With `scales` S there are 2 S + 1 of them: S on
            the way down, one at the bottleneck, S on the way up.
        scales: Number of times the stream halves its frames and bins. 0 keeps one scale.
        kernel: Kernel of every dense layer as (frames, bins).
        band: (lowest, highest) frequency in Hz; None stands for the Nyquist frequency. The band
            None is the full band.
    """

    name: str
    first: Conv
    blocks: tuple[Dense, ...]
    scales: int
    kernel: tuple[int, int]
    band: tuple[float, float | None] | None = None

    def __post_init__(self):
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "kernel", _kernel(self.kernel))
        if self.band is not None:
            object.__setattr__(self, "band", tuple(self.band))
            if len(self.band) != 2:
                raise ValueError(f"band must be (lowest, highest) in Hz, received {self.band}")
        if not self.name.isidentifier():
            raise ValueError(f"stream name must be an identifier, received {self.name!r}")
        if self.scales < 0:
            raise ValueError(f"scales must be 0 or more, received {self.scales}")
        if not self.blocks:
            raise ValueError(f"stream {self.name!r} has no dense blocks")
        if self.scales and len(self.blocks) != 2 * self.scales + 1:
            raise ValueError(
                f"stream {self.name!r} with {self.scales} scales needs {2 * self.scales + 1} dense "
                f"blocks, received {len(self.blocks)}"
            )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The table of one network.

    Args:
        name: Name of the network.
        family: Builder that reads the table: "densenet", "mdensenet" or "mmdensenet".
        streams: The columns of the table. Several bands must tile the spectrum from 0 Hz to the
            Nyquist frequency; at most one further stream may cover the full band.
        final: Dense block after the streams are joined.
        final_kernel: Kernel of the layers of `final` as (frames, bins).
        output_kernel: Kernel of the convolution to the output as (frames, bins).
        output: "mask" multiplies the input's magnitude by a sigmoid, "magnitude" is the paper's
            direct ReLU output.
        bn_momentum: Momentum of the batch normalisation statistics.
        sample_rate: Rate in Hz the network works at.
        hop: Hop of the STFT in samples.

    Raises:
        ValueError: If a value is out of range or the bands do not tile the spectrum.
    """

    name: str
    family: str
    streams: tuple[Stream, ...]
    final: Dense
    final_kernel: tuple[int, int] = (3, 3)
    output_kernel: tuple[int, int] = (1, 2)
    output: str = "mask"
    bn_momentum: float = 0.9
    sample_rate: int = 44100
    hop: int = 1024

    def __post_init__(self):
        object.__setattr__(self, "streams", tuple(self.streams))
        object.__setattr__(self, "final_kernel", _kernel(self.final_kernel))
        object.__setattr__(self, "output_kernel", _kernel(self.output_kernel))
        _one_of("family", self.family, FAMILIES)
        _one_of("output", self.output, OUTPUTS)
        _positive("sample_rate", self.sample_rate)
        _positive("hop", self.hop)
        if not 0 < self.bn_momentum < 1:
            raise ValueError(f"bn_momentum must lie in (0, 1), received {self.bn_momentum}")
        names = [stream.name for stream in self.streams]
        if len(set(names)) != len(names):
            raise ValueError(f"stream names must differ, received {names}")
        if self.family == "mmdensenet":
            _check_tiling(self.streams)
        elif len(self.streams) != 1 or self.streams[0].band is not None:
            raise ValueError(f"{self.family} takes one full-band stream, received {names}")

    def to_dict(self) -> dict[str, Any]:
        """Gives the table as plain dicts and lists, ready for JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "ModelConfig":
        """Reads a table that `to_dict` wrote.

        Args:
            table: Nested dicts and lists with the names of the dataclasses' fields.

        Returns:
            The validated table.

        Raises:
            ValueError: If a field is unknown, missing, or out of range.
        """
        try:
            fields = dict(table)
            fields["streams"] = tuple(_stream(stream) for stream in fields["streams"])
            fields["final"] = Dense(**fields["final"])
            return cls(**fields)
        except KeyError as error:
            raise ValueError(f"the table lacks the field {error}") from error
        except TypeError as error:
            raise ValueError(f"the table does not fit: {error}") from error

    def to_json(self, path: str | Path) -> None:
        """Writes the table to a JSON file at `path`."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def from_json(cls, path: str | Path) -> "ModelConfig":
        """Reads a table from the JSON file at `path`; raises ValueError if it does not fit."""
        try:
            table = json.loads(Path(path).read_text())
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"not a JSON table: {error}") from error
        if not isinstance(table, dict):
            raise ValueError(f"expected a JSON object, received {type(table).__name__}")
        return cls.from_dict(table)


def _stream(table: dict[str, Any]) -> Stream:
    fields = dict(table)
    fields["first"] = Conv(**fields["first"])
    fields["blocks"] = tuple(Dense(**block) for block in fields["blocks"])
    return Stream(**fields)


def _check_tiling(streams: tuple[Stream, ...]) -> None:
    bands = [stream.band for stream in streams if stream.band is not None]
    if len(streams) - len(bands) > 1:
        raise ValueError("at most one stream may cover the full band")
    edges = [0.0] + [high for _, high in bands]
    tiles = [low == edge for (low, _), edge in zip(bands, edges, strict=False)]
    if not bands or not all(tiles) or edges[-1] is not None or None in edges[:-1]:
        raise ValueError(
            f"bands must tile the spectrum in rising order from 0 Hz to None, received {bands}"
        )


def _kernel(kernel) -> tuple[int, int]:
    kernel = tuple(kernel)
    if len(kernel) != 2 or not all(isinstance(size, int) and size > 0 for size in kernel):
        raise ValueError(f"a kernel is (frames, bins), received {kernel}")
    return kernel


def _positive(name: str, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive integer, received {value!r}")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, received {value!r}")
