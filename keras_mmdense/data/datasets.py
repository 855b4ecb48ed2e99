"""Data sets for training: location, layout and weight."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from keras_mmdense.data.cache import CachedSong, cache_songs
from keras_mmdense.data.song_files import Song
from keras_mmdense.data.songs import (
    LAYOUTS,
    MISSING,
    check_root,
    is_standard,
    locate_songs,
)
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS
from keras_mmdense.utils.progress import Progress
from keras_mmdense.utils.values import is_number, is_whole

SPLITS = ("train", "valid")


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """One data set of a training run.

    Args:
        root: Folder of the data set.
        kind: A key of `LAYOUTS` in data/songs.py, or "auto". Defaults to `"auto"`.
        weight: How often chunks are drawn from it, relative to the other data sets' weights.
            Defaults to `None`, for all data sets or none: all seconds of music are equally likely.
        files: Stem -> names, without suffix, of additional files in a song's folder that are summed
            into the stem. A stem with additional files does not need `<stem>.wav`.
        missing: Meaning of a stem without a file: an "error", "silence", or "unknown". An unknown
            stem of a mixture is drawn from songs that have it. If stems are unknown, but there is a
            file of their sum, such as `bass+other.wav` or `accompaniment.wav`, their sum is
            trained. Defaults to `"error"`.
        gain: Gain of its songs in dB, to match the level of other data sets. Defaults to `0`.
        validate: Whether some of its songs are used for validation, otherwise all for training; but
            never MUSDB18's standard ones where they validate in another data set.
            Defaults to `True`.
        songs: Minimum number of songs in train and valid together. Defaults to `None`: any.

    Raises:
        InputError: If a field has an invalid value.

    Example:
        >>> from keras_mmdense.data.datasets import DatasetSpec
        >>> DatasetSpec.from_dict({"root": "band", "files": {"other": ["keys"]}}).missing
        'error'
    """

    root: Path
    kind: str = "auto"
    weight: float | None = None
    files: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    missing: str = "error"
    gain: float = 0.0
    validate: bool = True
    songs: int | None = None

    def __post_init__(self) -> None:
        positive = self.weight is not None and is_number(self.weight) and self.weight > 0
        expected = {
            "root": (_is_path(self.root), "a folder"),
            "kind": (self.kind in (*LAYOUTS, "auto"), f"auto or one of {', '.join(LAYOUTS)}"),
            "weight": (self.weight is None or positive, "a number above 0"),
            "files": (_are_files(self.files), f"lists of names by stem ({', '.join(STEMS)})"),
            "missing": (self.missing in MISSING, f"one of {', '.join(MISSING)}"),
            "gain": (is_number(self.gain, -40, 40), "a number from -40 to 40"),
            "validate": (isinstance(self.validate, bool), "true or false"),
            "songs": (self.songs is None or is_whole(self.songs), "a number of songs"),
        }
        for name, (allowed, what) in expected.items():
            if not allowed:
                value = getattr(self, name)
                raise InputError(f'data set {self.root}: "{name}" must be {what}, got {value!r}')

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "DatasetSpec":
        """Create a specification from an entry of a training configuration.

        Args:
            entry: The fields of the class; "root" is required.

        Returns:
            The specification.

        Raises:
            InputError: If a field is unknown or has an invalid value.
        """
        if not isinstance(entry, Mapping) or "root" not in entry:
            raise InputError(f'a data set needs a "root", got {entry!r}')
        names = [field.name for field in dataclasses.fields(cls)]
        for name in entry:
            if name not in names:
                choices = ", ".join(names)
                raise InputError(
                    f"data set {entry['root']}: unknown {name!r}; choose from {choices}"
                )
        return cls(**entry)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Decoded songs of a split of a data set.

    Args:
        name: Name of its root folder.
        sample_rate: Rate in Hz.
        tracks: Its songs.
    """

    name: str
    sample_rate: int
    tracks: list[CachedSong]


def load(
    specs: Sequence[DatasetSpec],
    cache: str | Path,
    sample_rate: int,
    channels: int,
    progress: Progress | None = None,
) -> dict[str, list[CachedSong]]:
    """Open the songs of data sets. MMDenseNet+ is a network trained on more than one.

    Args:
        specs, cache, sample_rate, channels, progress: See `open_datasets`.

    Returns:
        "train" and "valid" -> songs of all data sets. A chunk is drawn from a song with the
        probability `weight` over the sum of all songs' weights.

    Raises:
        InputError: See `open_datasets`.
    """
    datasets = open_datasets(specs, cache, sample_rate, channels, progress)
    return {
        split: [track for dataset in found for track in dataset.tracks]
        for split, found in datasets.items()
    }


def open_datasets(
    specs: Sequence[DatasetSpec],
    cache: str | Path,
    sample_rate: int,
    channels: int,
    progress: Progress | None = None,
) -> dict[str, list[Dataset]]:
    """Open data sets, and decode songs that have not been decoded before.

    All checks that need no decoding run before any song is decoded.

    Args:
        specs: The data sets.
        cache: Folder for decoded songs, which data sets and runs may share.
        sample_rate: Required sample rate of the songs in Hz.
        channels: Required number of channels.
        progress: Called with (songs done, total songs).

    Returns:
        "train" and "valid" -> data sets, in the order of `specs`. A song's `weight` is its length,
        or, if data sets have weights, its share of its data set's weight by length.

    Raises:
        InputError: If a data set or one of its songs is missing or invalid, or only some data sets
            have a weight.
    """
    located = locate(specs)
    songs = [song for found in located.values() for group in found for song in group]
    tracks = iter(cache_songs(songs, cache, sample_rate, channels, progress))
    return {
        split: [
            _dataset(spec, sample_rate, list(islice(tracks, len(group))))
            for spec, group in zip(specs, found, strict=True)
        ]
        for split, found in located.items()
    }


def locate(specs: Sequence[DatasetSpec]) -> dict[str, list[list[Song]]]:
    """Find the songs of data sets without opening files.

    Args:
        specs: The data sets.

    Returns:
        "train" and "valid" -> songs of each data set. If standard validation songs of MUSDB18
        validate, no data set trains on any of them.

    Raises:
        InputError: If a data set is missing or has too few songs, a song lacks a stem, or only some
            data sets have a weight.
    """
    if len({spec.weight is None for spec in specs}) > 1:
        raise InputError("give every data set a weight, or none")
    for spec in specs:
        check_root(spec.root, spec.kind, spec.files)
    located = {split: [_locate(spec, split) for spec in specs] for split in SPLITS}
    if not any(located["valid"]):
        raise InputError("no songs to validate with: every data set says validate: false")
    for spec, train, valid in zip(specs, *located.values(), strict=True):
        if spec.songs is not None and len(train) + len(valid) < spec.songs:
            raise InputError(
                f"{spec.root}: {len(train) + len(valid)} songs, expected {spec.songs} in train and "
                "valid together"
            )
    if any(is_standard(song.name) for songs in located["valid"] for song in songs):
        located["train"] = [
            [song for song in songs if not is_standard(song.name)] for songs in located["train"]
        ]
    return located


def _locate(spec: DatasetSpec, split: str) -> list[Song]:
    """Return the songs of a split; without validation, all of them are for training."""
    arguments = (spec.kind, spec.files, spec.missing)
    if spec.validate:
        songs = locate_songs(spec.root, split, *arguments)
    elif split == "train":
        songs = locate_songs(spec.root, "train", *arguments, validate=False)
    else:
        songs = []
    for song in songs if split == "valid" else ():
        if song.recordings != Song.recordings:
            raise InputError(f'{spec.root}: {song.name} lacks a stem; give it "validate": false')
    return songs


def _dataset(spec: DatasetSpec, sample_rate: int, tracks: list[CachedSong]) -> Dataset:
    name = Path(spec.root).resolve().name
    for track in tracks:
        track.gain, track.dataset = 10 ** (spec.gain / 20), name
    if spec.weight is not None:
        total = sum(track.samples for track in tracks)
        for track in tracks:
            track.weight = spec.weight * track.samples / total
    return Dataset(name, sample_rate, tracks)


def _is_path(value: Any) -> bool:
    return isinstance(value, str | Path)


def _are_files(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) <= set(STEMS)
        and all(isinstance(names, list | tuple) for names in value.values())
        and all(isinstance(name, str) for names in value.values() for name in names)
    )
