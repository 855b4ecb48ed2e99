"""Data sets to train on: which, read how, and how often each is drawn from."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from keras_mmdense.data.cache import CachedSong, cache_songs
from keras_mmdense.data.songs import LAYOUTS, MISSING, Song, check_root, locate_songs
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS
from keras_mmdense.utils.progress import Progress
from keras_mmdense.utils.values import is_number, is_whole

SPLITS = ("train", "valid")


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """One data set of a training run.

    Args:
        root: Its folder.
        kind: A key of `LAYOUTS` in data/songs.py, or "auto".
        weight: How often chunks are drawn from it, relative to the other data sets' weights. None
            for all data sets: every second of music is as likely as any other.
        files: Stem -> names, without suffix, of further files in a song's folder that are summed
            into the stem. A stem with further files needs no file of its own.
        missing: What a stem without a file is: an "error", "silence", or "unknown". An unknown stem
            of a mixture is drawn from songs that have it.
        gain: Level of its songs in dB, to match that of other data sets.
        validate: Whether some of its songs validate; else all train.
        songs: Songs expected in train and valid together; fewer are an error.

    Raises:
        InputError: If a field has a value that is not allowed.

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
        """Reads one entry of a training configuration.

        Args:
            entry: The fields of the class; "root" is required.

        Returns:
            The specification.

        Raises:
            InputError: If a field is unknown or has a value that is not allowed.
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
    """The decoded songs of a data set's split.

    Args:
        name: Name of its root folder.
        sample_rate: Rate in Hz.
        tracks: Its songs; their `chunk` reads any chunk of a stem.
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
    """Opens the songs of data sets; MMDenseNet+ is a network trained on more than one.

    Args:
        specs, cache, rate, channels, progress: See `open_datasets`.

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
    """Opens data sets, and decodes what has not been decoded before.

    All that can be seen without decoding is checked before anything is decoded.

    Args:
        specs: The data sets.
        cache: Folder for decoded songs; data sets and runs may share it.
        sample_rate: Rate in Hz that songs must have.
        channels: Channels that songs must have.
        progress: Called with (songs done, songs in all).

    Returns:
        "train" and "valid" -> data sets, in the order of `specs`. A song's `weight` is its length,
        or, where data sets have weights, its part of its data set's weight by length.

    Raises:
        InputError: If a data set or a song of it is missing or not as expected, or only some data
            sets have a weight.
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
    """Finds the songs of data sets in seconds, without opening a file.

    Args:
        specs: The data sets.

    Returns:
        "train" and "valid" -> songs of each data set.

    Raises:
        InputError: If a data set is missing, has too few songs or a song that lacks a stem, or only
            some data sets have a weight.
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
    return located


def _locate(spec: DatasetSpec, split: str) -> list[Song]:
    """The songs of a split; without validation all of them train."""
    arguments = (spec.kind, spec.files, spec.missing)
    if spec.validate:
        songs = locate_songs(spec.root, split, *arguments)
    elif split == "train":
        songs = locate_songs(spec.root, "train", *arguments, validate=False)
    else:
        songs = []
    for song in songs if split == "valid" else ():
        if not all(song.known):
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
