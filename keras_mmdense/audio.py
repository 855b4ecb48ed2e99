"""Reading, writing and resampling audio files."""

import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr

from keras_mmdense.errors import InputError
from keras_mmdense.files import replacing

FFMPEG_SUFFIXES = {".mp4", ".m4a", ".aac", ".m4v", ".mov", ".mkv", ".webm", ".wma", ".ac3"}


def read(path: str | Path) -> tuple[np.ndarray, int]:
    """Reads an audio file.

    soundfile reads WAV, FLAC, Ogg, Opus and MP3; what only ffmpeg reads (MP4, M4A, AAC, video) goes
    through ffmpeg, which then must be on the PATH. Of a file with several audio streams, such as
    `.stem.mp4`, the first is read.

    Args:
        path: The file.

    Returns:
        Waveform (samples, channels), float32 in [-1, 1], and sample rate in Hz.

    Raises:
        InputError: If the file is missing, empty, or not audio, or ffmpeg is needed and missing.
    """
    path = check_readable(path)
    source = io.BytesIO(_decode(path)) if path.suffix.lower() in FFMPEG_SUFFIXES else path
    try:
        waveform, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: not an audio file that can be read: {error}") from error
    if not len(waveform):
        raise InputError(f"{path}: holds no samples")
    return waveform, rate


def check_readable(path: str | Path) -> Path:
    """Gives the path if it is an audio file that `read` can open; raises InputError if not."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    if path.suffix.lower() in FFMPEG_SUFFIXES:
        if shutil.which("ffmpeg") is None:
            raise InputError(
                f"{path}: reading {path.suffix} needs ffmpeg, which is not on the PATH"
            )
        return path
    try:
        soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: not an audio file that can be read: {error}") from error
    return path


def write(path: str | Path, waveform: np.ndarray, rate: int, subtype: str = "FLOAT") -> None:
    """Writes a WAV file; it appears under its name only when it is complete.

    Args:
        path: The file to write.
        waveform: (samples, channels), float32.
        rate: Sample rate in Hz.
        subtype: Sample format as soundfile names it, such as "FLOAT", "PCM_16", "PCM_24".

    Raises:
        InputError: If the folder is not writable.
    """
    with replacing(path) as partial:
        soundfile.write(partial, waveform, rate, subtype=subtype, format="WAV")


def check_writable(folder: str | Path) -> None:
    """Raises InputError unless files can be written to a folder, which is made if it is missing."""
    folder = Path(folder)
    parents = [path for path in (folder, *folder.parents) if path.exists()]
    if not parents or not parents[0].is_dir() or not os.access(parents[0], os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot write there")


def resample(waveform: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Resamples with soxr.

    Args:
        waveform: (samples, channels), float32.
        rate: Its sample rate in Hz.
        new_rate: The wanted rate in Hz.

    Returns:
        (about samples * new_rate / rate, channels), float32.
    """
    return waveform if rate == new_rate else soxr.resample(waveform, rate, new_rate)


def _decode(path: Path) -> bytes:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a:0", "-c:a", "pcm_f32le"]
    run = subprocess.run([*command, "-f", "wav", "-"], capture_output=True, check=False)
    if run.returncode:
        reason = run.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"{path}: ffmpeg cannot read it: {reason[-1] if reason else 'no reason'}")
    return run.stdout
