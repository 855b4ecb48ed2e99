"""Songs decoded once into memory-mapped files, so that hours of music need little memory.

Stems from files of 16 bits or fewer, or with lossy coding, are stored as int16, which is exact for
the former and rounds the latter by at most half of a 16-bit step. All others, and those that int16
would clip, are stored as float32. An entry is named by a checksum of the song's files, so a changed
file is decoded again.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from keras_mmdense.data.song_files import Recordings, Song
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS
from keras_mmdense.utils.files import replacing, sha256
from keras_mmdense.utils.progress import Progress

VERSION = 1
FULL_SCALE = 2**15
# Path of a file -> its size, its times and its sha256.
Index = dict[str, list[Any]]


class CachedSong:
    """The stems of one song, memory-mapped.

    Args:
        name: Name of the song.
        audio: (stems, samples, channels), in the order of `STEMS`; floats in [-1, 1], or int16.
        recordings: See `Song`. Defaults to `None`: each stem is recorded by itself.
        gain: Factor of all samples. Defaults to `1`.
        dataset: Name of its data set.

    Attributes:
        weight: How often chunks are drawn from it, relative to other songs; initially its length.
    """

    def __init__(
        self,
        name: str,
        audio: np.ndarray,
        recordings: Recordings | None = None,
        gain: float = 1.0,
        dataset: str = "songs",
    ):
        self.name, self.audio, self.gain, self.dataset = name, audio, gain, dataset
        self.recordings = recordings or Song.recordings
        self.weight = float(self.samples)

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.audio.shape[1]

    def chunk(self, stem: int, start: int, samples: int) -> np.ndarray:
        """Read samples of one stem.

        Args:
            stem: Number of the stem in `STEMS`.
            start: First sample.
            samples: Number of samples.

        Returns:
            Samples, (samples, channels), float32, padded with zeros past the end of the song.
        """
        chunk = self.audio[stem, start : start + samples].astype("float32")
        if self.audio.dtype == np.int16:
            chunk /= FULL_SCALE
        if self.gain != 1.0:
            chunk *= np.float32(self.gain)
        return np.pad(chunk, ((0, samples - len(chunk)), (0, 0)))


def cache_songs(
    songs: Sequence[Song],
    folder: str | Path,
    sample_rate: int,
    channels: int,
    progress: Progress | None = None,
) -> list[CachedSong]:
    """Decode songs into a folder, or open those decoded there before.

    The headers of all new songs are checked before any of them is decoded. Several processes may
    use the same folder; each song is decoded by only one of them.

    Args:
        songs: Songs to decode.
        folder: Folder for decoded songs, created if it is missing. It may be deleted whenever no
            training uses it.
        sample_rate: Rate in Hz that every song must have.
        channels: Channels that every song must have.
        progress: Called with (songs done, total songs).

    Returns:
        The songs, in order.

    Raises:
        InputError: If a song cannot be read, has another sample rate or number of channels, or has
            stems of unequal length, or the folder cannot be written.
    """
    folder = Path(folder)
    lock = _lock(folder)
    with lock:
        keys = _keys(songs, folder)
    paths = [folder / f"{key}-{sample_rate}-{channels}.npy" for key in keys]
    for song, path in zip(songs, paths, strict=True):
        if _open(path) is None:
            _check(song, sample_rate)
    cached: list[CachedSong] = []
    for song, path in zip(songs, paths, strict=True):
        if progress:
            progress(len(cached), len(songs))
        with lock:
            if (audio := _open(path)) is None:
                _decode(song, path, channels)
                audio = np.load(path, mmap_mode="r")
        cached.append(CachedSong(song.name, audio, song.recordings))
    if progress:
        progress(len(cached), len(songs))
    return cached


def _lock(folder: Path) -> filelock.BaseFileLock:
    """Return a lock that the operating system releases when the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / "lock")
        with lock:
            for suffix in (".npy", ".json"):  # left by `replacing` in killed processes
                for path in folder.glob("." + 32 * "[0-9a-f]" + suffix):
                    path.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot write there: {error.strerror}") from error
    return lock


def _keys(songs: Sequence[Song], folder: Path) -> list[str]:
    """Return checksums of the songs' files; unchanged files are not read again."""
    path = folder / "index.json"
    known = _read_index(path)
    index = dict(known)
    keys = []
    for song in songs:
        if not song.sources:
            raise ValueError(f"only songs stored in files can be cached, received {song.name}")
        content = [(what, _digest(file.resolve(), index)) for what, file in song.sources]
        keys.append(hashlib.sha256(json.dumps([VERSION, content]).encode()).hexdigest()[:32])
    if index != known:
        with replacing(path) as partial:
            partial.write_text(json.dumps(index, indent=0) + "\n")
    return keys


def _read_index(path: Path) -> Index:
    try:
        index = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return index if isinstance(index, dict) else {}


def _digest(path: Path, index: Index) -> str:
    try:
        stat = path.stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        if index.get(str(path), [None])[:-1] != state:
            index[str(path)] = [*state, sha256(path)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return index[str(path)][-1]


def _check(song: Song, sample_rate: int) -> None:
    song.check()
    if song.sample_rate != sample_rate:
        raise InputError(f"{_place(song)}: {song.sample_rate} Hz, expected {sample_rate} Hz")


def _place(song: Song) -> Path:
    """Return the location of a song, as data sets may have songs with equal names."""
    path = song.sources[0][1]
    return path if path.name.startswith(song.name) else path.parent


def _open(path: Path) -> np.ndarray | None:
    """Map an entry; None if it does not exist or is incomplete."""
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None


def _decode(song: Song, path: Path, channels: int) -> None:
    try:
        with replacing(path) as partial:
            if not (song.sixteen_bits and _write(song, partial, channels, np.dtype("int16"))):
                _write(song, partial, channels, np.dtype("float32"))
    except OSError as error:
        raise InputError(f"{path.parent}: cannot write there: {error.strerror}") from error


def _write(song: Song, path: Path, channels: int, dtype: np.dtype) -> bool:
    """Write an entry stem by stem; return False at a sample that int16 would clip."""
    with path.open("wb") as file:
        samples = None
        for stem in STEMS:
            audio = song.read(stem)
            if samples is None:
                samples = len(audio)
                shape = (len(STEMS), samples, channels)
                header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            _check_stem(audio, (samples, channels), f"{_place(song)}: {stem}")
            if dtype == np.int16:
                audio = np.rint(audio * FULL_SCALE)
                if audio.min() < -FULL_SCALE or audio.max() >= FULL_SCALE:
                    return False
            file.write(audio.astype(dtype).tobytes())
    return True


def _check_stem(audio: np.ndarray, shape: tuple[int, int], what: str) -> None:
    if audio.shape != shape:
        raise InputError(f"{what} has shape {audio.shape} (samples, channels), expected {shape}")
    if not len(audio):
        raise InputError(f"{what} has no samples")
    if not np.isfinite(audio).all():
        raise InputError(f"{what} has samples that are not finite")
