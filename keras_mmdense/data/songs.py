"""Songs with stems in data sets on disk."""

import functools
import itertools
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from keras_mmdense.audio import reading
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

SUFFIXES = (".wav", ".flac", ".ogg")
LOSSY = ("VORBIS", "OPUS")
DEEP = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
MISSING = ("error", "silence", "unknown")
# Number of the stem under which each stem is recorded, None if it is unknown.
Recordings = tuple[int | None, ...]
# Name of a file -> the stems that it is the sum of, most stems first.
JOINT = {
    "accompaniment": STEMS[1:],
    **{"+".join(x): x for count in (3, 2) for x in itertools.combinations(STEMS, count)},
}
_STEM_FILES = "{vocals,drums,bass,other}.wav"

# Kind of a data set -> its layout, and the folders of its train and test songs.
LAYOUTS = {
    "musdb18": ("{train,test}/<song>.stem.mp4", "train", "test"),
    "dsd100": (f"Sources/{{Dev,Test}}/<song>/{_STEM_FILES}", "Sources/Dev", "Sources/Test"),
    "folders": (f"[{{train,test}}/]<song>/{_STEM_FILES} (or .flac, .ogg)", "train", "test"),
}

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


class Song:
    """One song of a data set.

    Args:
        name: Its name.
        sample_rate: Rate in Hz.
        read: Reads one stem by name as float32 (samples, channels) in [-1, 1].

    Attributes:
        sources: Its audio files, as (purpose, path); empty if it is not stored in files.
        recordings: For each stem, the number of its recording in `STEMS`: its own, that of the
            first stem of a joint recording, or None if it is unknown.
    """

    recordings: Recordings = tuple(range(len(STEMS)))
    sources: tuple[tuple[str, Path], ...] = ()

    def __init__(self, name: str, sample_rate: int, read: Callable[[str], np.ndarray]):
        self.name, self._sample_rate, self.read = name, sample_rate, read

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""
        return self._sample_rate

    @property
    def sixteen_bits(self) -> bool:
        """Whether the files are coded with 16 bits or fewer, or with loss."""
        return False

    def stems(self) -> dict[str, np.ndarray]:
        """Read all stems: float32 (samples, channels) by name. The mixture is their sum."""
        return {stem: self.read(stem) for stem in STEMS}

    def check(self) -> None:
        """Raise InputError if the files' headers differ in sample rate or shape."""


class FolderSong(Song):
    """A song as a folder of audio files.

    Args:
        folder: The folder, whose name is that of the song.
        files: Stem -> the files that are summed into it.
        unknown: Whether a stem without files is unknown, otherwise silent. Defaults to `False`.
        joint: Key of `JOINT` -> the file, whose stems have no files. Defaults to `None`: none.
    """

    def __init__(
        self,
        folder: Path,
        files: Mapping[str, Sequence[Path]],
        unknown: bool = False,
        joint: Mapping[str, Path] | None = None,
    ):
        self.name, self.files = folder.name, dict(files)
        sources = [(stem, path) for stem in STEMS for path in files[stem]]
        recordings = [i if files[x] or not unknown else None for i, x in enumerate(STEMS)]
        for name, path in (joint or {}).items():
            stems = [STEMS.index(stem) for stem in JOINT[name]]
            self.files[STEMS[stems[0]]] = [path]
            sources.append((name, path))
            for stem in stems:
                recordings[stem] = stems[0]
        self.sources, self.recordings = tuple(sources), tuple(recordings)

    @functools.cached_property
    def _infos(self) -> dict[Path, Any]:
        return {path: _info(path) for _, path in self.sources}

    @property
    def _first(self) -> Any:
        return self._infos[self.sources[0][1]]

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""
        return self._first.samplerate

    @property
    def sixteen_bits(self) -> bool:
        """Whether all files are coded with 16 bits or fewer, or with loss."""
        return all(info.subtype not in DEEP for info in self._infos.values())

    def check(self) -> None:
        """Raise InputError if files cannot be read or differ in sample rate, length or channels."""
        shapes = {
            path: _shape(info.frames, info.samplerate, info.channels)
            for path, info in self._infos.items()
        }
        first, expected = next(iter(shapes.items()))
        for path, shape in shapes.items():
            if shape != expected:
                raise InputError(f"{path}: {shape}, expected {expected} as in {first.name}")

    def read(self, stem: str) -> np.ndarray:
        """Read one stem as float32 (samples, channels) in [-1, 1].

        Lossy files are rounded to 16 bits, as in musdb. Decoded to float, they can be so empty at
        high frequencies that BSSEval's filters are rounding noise (benchmarks/scoring.py).
        """
        total = np.zeros((self._first.frames, self._first.channels), "float32")
        for path in self.files[stem]:
            audio = reading.read(path)[0]
            if audio.shape != total.shape:
                raise InputError(f"{path}: only {len(audio)} of {len(total)} samples can be read")
            if self._infos[path].subtype in LOSSY:
                audio = np.rint(audio * 2**15) / np.float32(2**15)
            total += audio
        return total


class MusdbSong(Song):
    """A song of MUSDB18 as a .stem.mp4 file, read through musdb, which decodes to 16 bits.

    Args:
        path: The file.
    """

    streams = ("mixture", "drums", "bass", "other", "vocals")

    def __init__(self, path: Path):
        self.name, self.path = path.name.removesuffix(".stem.mp4"), path
        self.sources = (("stems", path),)

    @functools.cached_property
    def _track(self) -> Any:
        for tool in ("ffmpeg", "ffprobe"):
            if shutil.which(tool) is None:
                raise InputError(f"{self.path}: reading it needs {tool}, which is not on the PATH")
        try:
            import ffmpeg
            import musdb
        except ImportError as error:
            raise InputError(
                f'{self.path}: reading it needs musdb: pip install "keras-mmdense[train]"'
            ) from error
        try:
            return musdb.MultiTrack(path=str(self.path), name=self.name, stem_id=0)
        except ffmpeg.Error as error:
            reason = error.stderr.decode(errors="replace").strip().rpartition(": ")[2]
            raise InputError(f"{self.path}: not a file that ffmpeg can read: {reason}") from error

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""
        return self._track.rate

    @property
    def sixteen_bits(self) -> bool:
        """Whether the file is coded with 16 bits or fewer, or with loss."""
        return True

    def check(self) -> None:
        """Raise InputError if streams are missing or differ in sample rate or length."""
        info = self._track.info
        if info.nb_audio_streams < len(self.streams):
            raise InputError(
                f"{self.path}: the stem {self.streams[info.nb_audio_streams]} is missing; expected "
                f"{len(self.streams)} audio streams, found {info.nb_audio_streams}"
            )
        shapes = [
            _shape(info.samples(index), info.rate(index), info.channels(index))
            for index in range(len(self.streams))
        ]
        for stem, shape in zip(self.streams, shapes, strict=True):
            if shape != shapes[0]:
                raise InputError(
                    f"{self.path}: {stem} has {shape}, expected {shapes[0]} as in the mixture"
                )

    def read(self, stem: str) -> np.ndarray:
        """Read one stem as float32 (samples, channels) in [-1, 1]."""
        index = self.streams.index(stem)
        audio = self._track.load_audio(str(self.path), index).astype("float32")
        expected = self._track.info.samples(index)
        if len(audio) < expected:
            raise InputError(
                f"{self.path}: only {len(audio)} of {expected} samples of {stem} can be read"
            )
        return audio


def find_songs(
    root: str | Path,
    split: str,
    kind: str = "auto",
    files: Mapping[str, Sequence[str]] | None = None,
    missing: str = "error",
) -> list[Song]:
    """Find the songs of a data set, and check their headers.

    Args:
        root: Folder of the data set.
        split: "train", "valid" or "test". The validation songs are MUSDB18's standard 14 where the
            data set has some of them, otherwise the last tenth of the train songs by name, at least
            one.
        kind: A key of `LAYOUTS`, or "auto".
        files: Stem -> names, without suffix, of additional files in a song's folder that are summed
            into the stem. A stem with additional files does not need `<stem>.wav`.
        missing: "error", "silence" or "unknown": the meaning of a stem without a file.

    Returns:
        The songs, sorted by name.

    Raises:
        InputError: If there are no songs, a stem is missing or unreadable, or stems of a song
            differ in sample rate or length.
    """
    songs = locate_songs(root, split, kind, files, missing)
    for song in songs:
        song.check()
    return songs


def locate_songs(
    root: str | Path,
    split: str,
    kind: str = "auto",
    files: Mapping[str, Sequence[str]] | None = None,
    missing: str = "error",
    validate: bool = True,
) -> list[Song]:
    """Find the songs of a data set without opening files, see `find_songs` and `Song.check`.

    Args:
        root, split, kind, files, missing: See `find_songs`.
        validate: Whether to exclude validation songs from "train". Defaults to `True`.

    Returns:
        The songs, sorted by name.

    Raises:
        InputError: If there are no songs, or a stem is missing.
    """
    if split not in ("train", "valid", "test"):
        raise InputError(f"unknown split {split!r}; choose train, valid or test")
    if missing not in MISSING:
        raise InputError(f"unknown rule for missing stems {missing!r}; choose from {MISSING}")
    kind = check_root(root, kind, files)
    folder = _folder(Path(root), kind, "test" if split == "test" else "train")
    paths = _song_paths(folder, kind, files)
    if not paths:
        raise InputError(f"{folder}: no songs found; expected {LAYOUTS[kind][0]}")
    if split != "test" and validate:
        paths = _split(paths, split == "valid", root)
    if kind == "musdb18":
        return [MusdbSong(path) for path in paths]
    return [_folder_song(path, files or {}, missing) for path in paths]


def open_song(path: str | Path) -> Song:
    """Opens one song.

    Args:
        path: A `.stem.mp4` file of MUSDB18, or a folder with a file a stem.

    Returns:
        The song; its `check` has yet to be called.

    Raises:
        InputError: If it is neither, or a stem is missing.
    """
    path = Path(path)
    if path.is_file() and path.name.endswith(".stem.mp4"):
        return MusdbSong(path)
    if not path.is_dir():
        raise InputError(f"{path}: neither a .stem.mp4 file nor a folder of stems")
    return _folder_song(path, {}, "error")


def check_root(
    root: str | Path, kind: str = "auto", files: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Determine the kind of a data set without opening files.

    Args:
        root: Folder of the data set.
        kind: A key of `LAYOUTS`, or "auto".
        files: See `find_songs`.

    Returns:
        The kind.

    Raises:
        InputError: If there is no such folder, or it has no song of the kind.
    """
    root = Path(root)
    if kind not in (*LAYOUTS, "auto"):
        raise InputError(
            f"unknown kind of data set {kind!r}; choose from auto, {', '.join(LAYOUTS)}"
        )
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    kinds = LAYOUTS if kind == "auto" else (kind,)
    for kind in kinds:
        if any(_song_paths(_folder(root, kind, split), kind, files) for split in ("train", "test")):
            return kind
    expected = " or ".join(LAYOUTS[kind][0] for kind in kinds)
    raise InputError(f"{root}: no songs found; expected {expected}")


def _folder(root: Path, kind: str, split: str) -> Path:
    _, train, test = LAYOUTS[kind]
    if split == "test":
        return root / test
    return root if kind == "folders" and not (root / train).is_dir() else root / train


def _song_paths(folder: Path, kind: str, files: Mapping[str, Sequence[str]] | None) -> list[Path]:
    if kind == "musdb18":
        return sorted(folder.glob("*.stem.mp4"))
    names = (*STEMS, *JOINT, *(name for names in (files or {}).values() for name in names))
    paths = (path for path in folder.glob("*") if not path.name.startswith("."))
    return sorted(path for path in paths if any(_files(path, name) for name in names))


def _files(folder: Path, name: str) -> list[Path]:
    paths = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return [path for path in paths if path.is_file()][:1]


def _split(paths: list[Path], valid: bool, root: str | Path) -> list[Path]:
    # DSD100 shares songs with MUSDB18, as "051 - <title>": validation songs are never trained on.
    titles = {path: re.sub(r"^\d+ - ", "", path.name.removesuffix(".stem.mp4")) for path in paths}
    chosen = [path for path in paths if titles[path] in VALIDATION_SONGS]
    chosen = chosen or paths[-max(1, len(paths) // 10) :]
    if valid:
        return chosen
    rest = [path for path in paths if path not in chosen]
    if not rest:
        raise InputError(f"{root}: one song is not enough for training and validation")
    return rest


def _folder_song(folder: Path, extra: Mapping[str, Sequence[str]], missing: str) -> FolderSong:
    files = {}
    for stem in STEMS:
        named = {name: _files(folder, name) for name in (stem, *extra.get(stem, ()))}
        needed = extra.get(stem) or (stem,)
        for name in needed if missing == "error" else ():
            if not named[name]:
                part = "" if name == stem else f", {name}"
                raise InputError(f"{folder}: the stem {stem}{part} is missing; expected {name}.wav")
        files[stem] = [path for paths in named.values() for path in paths]
    unknown = missing == "unknown"
    return FolderSong(folder, files, unknown, _joint(folder, files) if unknown else None)


def _joint(folder: Path, files: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
    """Find files of several stems that have no files of their own."""
    missing = {stem for stem in STEMS if not files[stem]}
    found = {}
    for name, stems in JOINT.items():
        paths = _files(folder, name) if missing.issuperset(stems) else []
        if paths:
            found[name] = paths[0]
            missing -= set(stems)
    return found


def _info(path: Path) -> Any:
    reading.check_readable(path)
    info = soundfile.info(reading.native(path))
    if info.frames == reading.UNKNOWN:
        raise InputError(f"{path}: does not contain its length")
    return info


def _shape(samples: int, sample_rate: int, channels: int) -> str:
    return f"{samples} samples at {sample_rate} Hz in {channels} channel(s)"
