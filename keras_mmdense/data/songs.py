"""Songs with their stems, as data sets lay them out on disk."""

import dataclasses
import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

SUFFIXES = (".wav", ".flac", ".ogg")
LAYOUTS = "train/<song>.stem.mp4 (MUSDB18) or <song>/{vocals,drums,bass,other}.wav"

# The standard validation songs of MUSDB18 (sigsep), a part of its 100 train songs.
VALIDATION_SONGS = frozenset(
    (
        "Actions - One Minute Smile",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Johnny Lokke - Promises & Lies",
        "Patrick Talbot - A Reason To Leave",
        "Triviul - Angelsaint",
        "Alexander Ross - Goodbye Bolero",
        "Fergessen - Nos Palpitants",
        "Leaf - Summerghost",
        "Skelpolu - Human Mistakes",
        "Young Griffo - Pennies",
        "ANiMAL - Rockshow",
        "James May - On The Line",
        "Meaxic - Take A Step",
        "Traffic Experiment - Sirens",
    )
)


@dataclasses.dataclass(frozen=True)
class Song:
    """One song of a data set.

    Args:
        name: Its name.
        sample_rate: Rate in Hz.
        read: Reads one stem by name as float32 (samples, channels) in [-1, 1].
    """

    name: str
    sample_rate: int
    read: Callable[[str], np.ndarray]

    def stems(self) -> dict[str, np.ndarray]:
        """Reads all stems: float32 (samples, channels) by name. The mixture is their sum."""
        return {stem: self.read(stem) for stem in STEMS}


def find_songs(root: str | Path, split: str) -> list[Song]:
    """Finds the songs of a data set.

    Two layouts are known: MUSDB18's `{train,test}/<song>.stem.mp4`, read through musdb, and one
    folder a song with one file a stem, `[{train,test}/]<song>/{vocals,drums,bass,other}.wav` (or
    .flac, .ogg), which MUSDB18-HQ and `keras-mmdense synth` share.

    Args:
        root: Folder of the data set.
        split: "train", "valid" or "test". The validation songs are MUSDB18's standard 14 where the
            data set has them, else the last tenth of the train songs by name, at least one.

    Returns:
        The songs, sorted by name.

    Raises:
        InputError: If there are no songs, a stem is missing or unreadable, or stems of a song
            differ in rate or length.
    """
    if split not in ("train", "valid", "test"):
        raise InputError(f"unknown split {split!r}; choose train, valid or test")
    root = check_root(root)
    if split == "test":
        return _songs_below(root / "test", root)
    folder = root / "train" if (root / "train").is_dir() else root
    songs = _songs_below(folder, root)
    names = {song.name for song in songs}
    valid = VALIDATION_SONGS & names or set(sorted(names)[-max(1, len(names) // 10) :])
    if split == "valid":
        return [song for song in songs if song.name in valid]
    songs = [song for song in songs if song.name not in valid]
    if not songs:
        raise InputError(f"{root}: one song is not enough to train on and to validate with")
    return songs


def check_root(root: str | Path) -> Path:
    """Gives the path if it looks like a data set; raises InputError, at once, if it does not."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    folders = (root, root / "train", root / "test")
    if not any(_is_song(path) for folder in folders for path in folder.glob("*")):
        raise InputError(f"{root}: no songs found; expected {LAYOUTS}")
    return root


def _is_song(path: Path) -> bool:
    return path.name.endswith(".stem.mp4") or bool(_stem_files(path))


def _songs_below(folder: Path, root: Path) -> list[Song]:
    coded = sorted(folder.glob("*.stem.mp4"))
    if coded:
        return _musdb_songs(root, folder.name)
    folders = sorted(path for path in folder.glob("*") if _stem_files(path))
    if not folders:
        raise InputError(f"{folder}: no songs found; expected {LAYOUTS}")
    return [_folder_song(path) for path in folders]


def _musdb_songs(root: Path, subset: str) -> list[Song]:
    missing = [tool for tool in ("ffmpeg", "ffprobe") if shutil.which(tool) is None]
    if missing:
        raise InputError(f"{root}: reading .stem.mp4 needs {missing[0]}, which is not on the PATH")
    try:
        import musdb
    except ImportError as error:
        raise InputError(
            f'{root}: reading MUSDB18 needs musdb: pip install "keras-mmdense[train]"'
        ) from error
    if subset not in ("train", "test"):
        raise InputError(f"{root}: MUSDB18's .stem.mp4 files must lie in train/ or test/")
    tracks = musdb.DB(root=str(root), subsets=subset).tracks
    return [_musdb_song(track) for track in sorted(tracks, key=lambda track: track.name)]


def _musdb_song(track) -> Song:
    def read(stem):
        return track.sources[stem].audio.astype("float32")

    return Song(track.name, int(track.rate), read)


def _stem_files(folder: Path) -> dict[str, Path]:
    if folder.name.startswith("."):
        return {}
    files = {stem: [folder / f"{stem}{suffix}" for suffix in SUFFIXES] for stem in STEMS}
    found = {stem: [path for path in paths if path.is_file()] for stem, paths in files.items()}
    return {stem: paths[0] for stem, paths in found.items() if paths}


def _folder_song(folder: Path) -> Song:
    files = _stem_files(folder)
    for stem in STEMS:
        if stem not in files:
            raise InputError(f"{folder}: the stem {stem} is missing; expected {stem}.wav")
    infos = {stem: _info(path) for stem, path in files.items()}
    first = infos[STEMS[0]]
    for stem, info in infos.items():
        if (info.samplerate, info.frames) != (first.samplerate, first.frames):
            raise InputError(
                f"{files[stem]}: {info.frames} samples at {info.samplerate} Hz, expected "
                f"{first.frames} at {first.samplerate} Hz as in {files[STEMS[0]].name}"
            )
    read = functools.partial(_read_stem, files)
    return Song(folder.name, first.samplerate, read)


def _read_stem(files: dict[str, Path], stem: str) -> np.ndarray:
    return soundfile.read(files[stem], dtype="float32", always_2d=True)[0]


def _info(path: Path):
    try:
        return soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: not an audio file that can be read: {error}") from error
