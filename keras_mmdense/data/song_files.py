"""One song with stems: as a folder of audio files, or as a .stem.mp4 file of MUSDB18."""

import functools
import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from keras_mmdense.audio import reading
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

LOSSY = ("VORBIS", "OPUS")
DEEP = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
# Number of the stem under which each stem is recorded, None if it is unknown.
Recordings = tuple[int | None, ...]
# Name of a file -> the stems that it is the sum of, most stems first.
JOINT = {
    "accompaniment": STEMS[1:],
    **{"+".join(x): x for count in (3, 2) for x in itertools.combinations(STEMS, count)},
}


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


def _info(path: Path) -> Any:
    reading.check_readable(path)
    info = soundfile.info(reading.native(path))
    if info.frames == reading.UNKNOWN:
        raise InputError(f"{path}: does not contain its length")
    return info


def _shape(samples: int, sample_rate: int, channels: int) -> str:
    return f"{samples} samples at {sample_rate} Hz in {channels} channel(s)"
