"""Reading and writing audio files."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from keras_mmdense.errors import InputError
from keras_mmdense.files import replacing

SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".caf", ".w64"}
FFMPEG_SUFFIXES = {".mp4", ".m4a", ".aac", ".m4v", ".mov", ".mkv", ".webm", ".wma", ".ac3"}


class Source:
    """An open audio file that is read in blocks.

    Attributes:
        rate: Sample rate in Hz.
        channels: Number of channels.
        samples: Length in samples.
        tags: Its tags by name, as soundfile names them: title, artist, album and so on.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile):
        self._path, self._file = path, file
        self.rate, self.channels, self.samples = file.samplerate, file.channels, file.frames
        self.tags = file.copy_metadata()

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yields the waveform in blocks (size, channels), the last one shorter; float32.

        Raises InputError if the file breaks off before its end.
        """
        done, reason = 0, "the file breaks off"
        try:
            for block in self._file.blocks(size, dtype="float32", always_2d=True):
                done += len(block)
                yield block
        except soundfile.LibsndfileError as error:
            reason = str(error)
        if done < self.samples:
            raise InputError(
                f"{self._path}: only {done} of {self.samples} samples can be read: {reason}"
            )


@contextlib.contextmanager
def open_source(path: str | Path) -> Iterator[Source]:
    """Opens an audio file.

    soundfile reads WAV, FLAC, Ogg, Opus and MP3; what only ffmpeg reads (MP4, M4A, AAC, video) is
    decoded by ffmpeg into a temporary file, and ffmpeg must then be on the PATH. Of a file with
    several audio streams, such as `.stem.mp4`, the first is read.

    Args:
        path: The file.

    Yields:
        The open file.

    Raises:
        InputError: If the file is missing, empty, or not audio, or ffmpeg is needed and missing.
    """
    path = check_readable(path)
    with contextlib.ExitStack() as stack:
        readable = path
        if path.suffix.lower() in FFMPEG_SUFFIXES:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            readable = Path(folder) / "decoded.wav"
            codec = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-rf64", "auto"]
            run_ffmpeg(["-i", path, *codec, readable], f"{path}: ffmpeg cannot read it")
        try:
            source = Source(path, stack.enter_context(soundfile.SoundFile(readable)))
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path}: not an audio file that can be read: {error}") from error
        if not source.samples:
            raise InputError(f"{path}: holds no samples")
        yield source


def read(path: str | Path) -> tuple[np.ndarray, int]:
    """Reads an audio file whole.

    Args:
        path: The file, see `open_source`.

    Returns:
        Waveform (samples, channels), float32 in [-1, 1], and sample rate in Hz.

    Raises:
        InputError: As `open_source` does.
    """
    with open_source(path) as source:
        return np.concatenate(list(source.blocks(1 << 20))), source.rate


def check_readable(path: str | Path) -> Path:
    """Gives the path if it looks like an audio file; raises InputError, at once, if not."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    if path.suffix.lower() in FFMPEG_SUFFIXES:
        if shutil.which("ffmpeg") is None:
            raise InputError(f"{path}: {path.suffix} needs ffmpeg, which is not on the PATH")
        return path
    try:
        soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: not an audio file that can be read: {error}") from error
    return path


def write(path: str | Path, waveform: np.ndarray, rate: int) -> None:
    """Writes a 32-bit float WAV file; it appears under its name only when it is complete.

    Args:
        path: The file to write.
        waveform: (samples, channels), float32.
        rate: Sample rate in Hz.

    Raises:
        InputError: If the folder is not writable.
    """
    with replacing(path) as partial:
        soundfile.write(partial, waveform, rate, subtype="FLOAT", format="WAV")
        drop_time(partial)


def drop_time(path: str | Path) -> None:
    """Zeroes the time of writing in a float WAV file's PEAK chunk: same samples, same bytes."""
    with open(path, "r+b") as file:
        head = file.read(4096)
        found = head.find(b"PEAK")
        if found >= 0:
            file.seek(found + 12)
            file.write(bytes(4))


def check_writable(folder: str | Path) -> None:
    """Raises InputError unless files can be written to a folder or the folder can be made."""
    folder = Path(folder)
    parents = [path for path in (folder, *folder.parents) if path.exists()]
    if not parents or not parents[0].is_dir() or not os.access(parents[0], os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot write there")


def song_name(path: str | Path) -> str:
    """The name of a song's file without its ending: "a.stem.mp4" and "a.wav" give "a"."""
    path = Path(path)
    return path.name.removesuffix(path.suffix).removesuffix(".stem")


def run_ffmpeg(arguments: list[str | Path], failure: str) -> None:
    """Runs ffmpeg; raises InputError with `failure` and ffmpeg's last line if it fails."""
    if shutil.which("ffmpeg") is None:
        raise InputError(f"{failure}: ffmpeg is not on the PATH")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode:
        lines = run.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"{failure}: {lines[-1] if lines else 'no reason given'}")
