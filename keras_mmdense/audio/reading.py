"""Reading of audio files."""

import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from keras_mmdense.audio.containers import check_whole, mp3_is_whole, mp3_tells_length
from keras_mmdense.errors import InputError
from keras_mmdense.utils.files import sha256

SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".caf", ".w64"}
FFMPEG_SUFFIXES = {".mp4", ".m4a", ".aac", ".m4v", ".mov", ".mkv", ".webm", ".wma", ".ac3"}
STEP = 1 << 12
UNKNOWN = (1 << 63) - 1  # libsndfile's length of a FLAC stream without a length


class AudioFile:
    """An open audio file that is read in blocks.

    Attributes:
        path: The file.
        sample_rate: Sample rate in Hz.
        channels: Number of channels.
        samples: Length in samples.
        tags: Tags by name, as soundfile names them: title, artist, album and so on.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile):
        self.path, self._file = path, file
        self.sample_rate, self.channels, self.samples = file.samplerate, file.channels, file.frames
        self.tags = file.copy_metadata()

    @functools.cached_property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the file's sha256."""
        return sha256(self.path)[:16]

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yield the waveform in float32 blocks (size, channels); the last one may be shorter.

        Raises InputError if the file ends early.
        """
        done, reason = 0, "the file ends early"
        try:
            while len(block := self._file.read(size, dtype="float32", always_2d=True)):
                done += len(block)
                yield block
        except soundfile.LibsndfileError as error:
            done, reason = self._readable(done), error.error_string
        if done != self.samples:
            raise InputError(
                f"{self.path}: only {done} of {self.samples} samples can be read: {reason}"
            )

    def _readable(self, done: int) -> int:
        """Count the samples that can be read, of which `done` have been."""
        with contextlib.suppress(soundfile.LibsndfileError):
            self._file.seek(done)
            while read := len(self._file.read(STEP)):
                done += read
        return done


@contextlib.contextmanager
def open_audio(path: str | Path) -> Iterator[AudioFile]:
    """Open an audio file.

    soundfile reads WAV, FLAC, Ogg, Opus and MP3. Other formats (MP4, M4A, AAC, video), and MP3 or
    FLAC files that do not contain their length, are decoded into a temporary file by ffmpeg, which
    must be on the PATH. If a file has several audio streams, as `.stem.mp4` does, the first is
    read.

    Args:
        path: The file.

    Yields:
        The open file.

    Raises:
        InputError: If the file is missing, empty, truncated, damaged or not audio, or requires
            ffmpeg, which is missing.
    """
    path = check_readable(path)
    with contextlib.ExitStack() as stack:
        readable = path
        if _needs_ffmpeg(path):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            readable = Path(folder) / "decoded.wav"
            codec = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-rf64", "auto"]
            run_ffmpeg(["-i", f"file:{path}", *codec, readable], f"{path}: ffmpeg cannot read it")
        try:
            file = stack.enter_context(soundfile.SoundFile(native(readable)))
        except soundfile.LibsndfileError as error:
            raise _unreadable(path, error) from error
        source = AudioFile(path, file)
        if not source.samples:
            raise InputError(f"{path}: holds no samples")
        yield source


def read(path: str | Path) -> tuple[np.ndarray, int]:
    """Read a whole audio file.

    Args:
        path: The file, see `open_audio`.

    Returns:
        Waveform (samples, channels), float32 in [-1, 1], and sample rate in Hz.

    Raises:
        InputError: See `open_audio`.
    """
    with open_audio(path) as source:
        return np.concatenate(list(source.blocks(1 << 20))), source.sample_rate


def check_readable(path: str | Path) -> Path:
    """Check that a path looks like an audio file, without decoding it.

    Args:
        path: The file.

    Returns:
        The path.

    Raises:
        InputError: If the file is missing, empty, truncated or not audio, or requires ffmpeg, which
            is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    check_whole(path)
    if not _needs_ffmpeg(path):
        try:
            soundfile.info(native(path))
        except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: raw samples
            raise _unreadable(path, error) from error
    elif path.suffix.lower() == ".mp3" and not mp3_is_whole(path):
        raise InputError(f"{path}: the file ends early: its last MP3 frame is incomplete")
    elif shutil.which("ffmpeg") is None:
        kind = (
            path.suffix
            if path.suffix.lower() in FFMPEG_SUFFIXES
            else "a file that does not contain its length"
        )
        raise InputError(f"{path}: {kind} needs ffmpeg, which is not on the PATH")
    return path


def native(path: str | Path) -> bytes | Path:
    """Convert a path for soundfile.

    Args:
        path: The path.

    Returns:
        The path, or its bytes if the name is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return Path(path)


def _needs_ffmpeg(path: Path) -> bool:
    if path.suffix.lower() in FFMPEG_SUFFIXES:
        return True
    try:
        info = soundfile.info(native(path))
    except (soundfile.LibsndfileError, TypeError):
        return False
    return info.frames == UNKNOWN or (info.format == "MP3" and not mp3_tells_length(path))


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "error_string", error)
    return InputError(f"{path}: not an audio file that can be read: {reason}")


def song_name(path: str | Path) -> str:
    """Return the name of a song's file without its suffix.

    Args:
        path: The file, such as "a.wav" or "a.stem.mp4".

    Returns:
        The name, such as "a".
    """
    path = Path(path)
    return path.name.removesuffix(path.suffix).removesuffix(".stem")


def run_ffmpeg(arguments: list[str | Path], failure: str) -> None:
    """Run ffmpeg, which skips damaged and missing parts with exit status 0, but prints a message.

    Args:
        arguments: Arguments of ffmpeg.
        failure: Start of the error message.

    Raises:
        InputError: If ffmpeg is missing or reports an error; the message has its last line.
    """
    if shutil.which("ffmpeg") is None:
        raise InputError(f"{failure}: ffmpeg is not on the PATH")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, check=False)
    lines = run.stderr.decode(errors="replace").strip().splitlines()
    if run.returncode or lines:
        raise InputError(f"{failure}: {lines[-1] if lines else 'no reason given'}")
