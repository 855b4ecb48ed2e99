"""Systems to score: separators, or files that other tools wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile

from keras_mmdense.audio.reading import native
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS, Stems
from keras_mmdense.utils.files import sha256

NAMES = (*STEMS, "accompaniment")


class Song(Protocol):
    """A song with true stems."""

    @property
    def name(self) -> str:
        """Name of the song."""

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""

    def stems(self) -> Stems:
        """Return the stems by name, each `(samples, channels)`."""


class StemSeparator(Protocol):
    """Separates waveforms, as `keras_mmdense.Separator` does."""

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems."""

    def separate(self, waveform: np.ndarray, sample_rate: int) -> Stems:
        """Separate a waveform.

        Args:
            waveform: Samples, `(samples, channels)`.
            sample_rate: Sample rate in Hz.

        Returns:
            Stems by name, each with the shape of the waveform.
        """


@dataclass(frozen=True)
class System:
    """A system that estimates the stems of songs.

    Attributes:
        name: Name in tables.
        stems: Names of the stems that it estimates.
        separate: Function from a song's name, its mixture (samples, channels) and the sample rate
            in Hz to estimates (samples, channels) by stem; None for an oracle.
        identity: JSON-serializable facts that change if the estimates may change.
        description: Facts for reports: "model", "parameters".
        digest: Function from a song's name to the sha256 of its estimates, if they are files;
            their separation is not timed.
    """

    name: str
    stems: tuple[str, ...]
    separate: Callable[[str, np.ndarray, int], Stems] | None
    identity: Mapping[str, Any] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict)
    digest: Callable[[str], str] | None = None


def from_separator(
    name: str,
    separator: StemSeparator,
    identity: str | None = None,
    parameters: int | None = None,
) -> System:
    """Create a system from a separator.

    Args:
        name: Name in tables.
        separator: The separator.
        identity: Identifies its weights, such as a sha256. Defaults to `None`.
        parameters: Number of its parameters, if known. Defaults to `None`.

    Returns:
        The system.
    """
    known = {} if parameters is None else {"parameters": parameters}
    return System(
        name,
        tuple(separator.stems),
        lambda song, mixture, sample_rate: separator.separate(mixture, sample_rate),
        {"model": identity},
        {"model": name, **known},
    )


def from_folder(folder: str | Path) -> System:
    """Create a system from files that another tool wrote.

    Args:
        folder: Folder with `<song>/<stem>.wav`, or another format that soundfile reads. The stems
            are those of `NAMES` that any song has; every song must have all of them.

    Returns:
        A system with the folder's name. It raises InputError if an estimate is missing, cannot be
        read, or differs from the mixture in length, channels or sample rate.

    Raises:
        InputError: If there are no estimates.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = {path.stem for path in folder.glob("*/*.*") if not path.name.startswith(".")}
    stems = tuple(stem for stem in NAMES if stem in found)
    if not set(stems) & set(STEMS):
        raise InputError(f"{folder}: no estimates found; expected <song>/<stem>.wav")

    def files(song: str) -> dict[str, Path]:
        return {stem: _find(folder / song, stem) for stem in stems}

    def separate(song: str, mixture: np.ndarray, sample_rate: int) -> Stems:
        return {stem: _read(path, mixture, sample_rate) for stem, path in files(song).items()}

    def digest(song: str) -> str:
        return sha256(*files(song).values())

    name = folder.resolve().name
    return System(name, stems, separate, {"estimates": name}, {"estimates": name}, digest)


def _find(folder: Path, stem: str) -> Path:
    paths = [path for path in sorted(folder.glob("*.*")) if path.stem == stem]
    if not paths:
        raise InputError(f"{folder / stem}.wav: no such estimate")
    if len(paths) > 1:
        raise InputError(f"{paths[1]}: a second estimate besides {paths[0].name}")
    return paths[0]


def _read(path: Path, mixture: np.ndarray, sample_rate: int) -> np.ndarray:
    try:
        audio, found = soundfile.read(native(path), dtype="float64", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: raw samples
        raise InputError(f"{path}: not an audio file that can be read: {error}") from error
    if found != sample_rate:
        raise InputError(f"{path}: {found} Hz, expected the song's {sample_rate} Hz")
    if audio.shape != mixture.shape:
        samples, channels = audio.shape
        raise InputError(
            f"{path}: {samples} samples of {channels} channels, expected {mixture.shape[0]} of "
            f"{mixture.shape[1]}"
        )
    if not np.isfinite(audio).all():
        raise InputError(f"{path}: holds samples that are not finite numbers")
    return audio
