"""Writing of stems: formats, names, and atomic files."""

import contextlib
import dataclasses
import math
import os
import shutil
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from keras_mmdense.audio.containers import drop_time
from keras_mmdense.audio.output import FORMATS, STEM_MP4, Output
from keras_mmdense.audio.reading import AudioFile, native, open_audio, run_ffmpeg
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS
from keras_mmdense.utils.files import check_writable, replacing, staging

BLOCK = 1 << 18
# Sample rates of AAC; ffmpeg resamples other rates and drops a song of less than a block.
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
AAC_BLOCK = 1024
MAKER = "keras-mmdense"
# What soundfile raises where a file cannot be written; it asserts that all samples were.
UNWRITTEN = (AssertionError, soundfile.SoundFileError)
SYSTEM_ERROR = 2  # of libsndfile: an error of the disk, not of the format
BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}


def plan(
    output: Output, out_dir: str | Path, songs: Mapping[Path, str], stems: Sequence[str]
) -> dict[Path, dict[str, Path]]:
    """Determine the file names of all songs, before any work.

    Args:
        output: Format and names.
        out_dir: Folder to write to.
        songs: Names by the songs' files.
        stems: Names of the stems.

    Returns:
        The result of `output.paths` for each song.

    Raises:
        InputError: If two files would have the same name, also on a case-insensitive disk, or a
            file would replace one of the songs.
    """
    planned = {path: output.paths(out_dir, song, stems) for path, song in songs.items()}
    inputs = {_identity(path) for path in songs} - {None}
    taken: dict[str, str] = {}
    for path, files in planned.items():
        for stem, file in files.items():
            if _identity(file) in inputs:
                raise InputError(f"{file}: would replace a song to separate; choose another output")
            what = f"{stem} of {path}"
            other = taken.setdefault(unicodedata.normalize("NFC", str(file)).casefold(), what)
            if other != what:
                raise InputError(f"{other} and {what} would both be written to {file}")
    return planned


def were_written(files: Mapping[str, Path], path: Path, output: Output) -> bool:
    """Return whether all files of a song are complete and were made from it by this model.

    MP3 and stem files do not record their origin; only their length is checked.

    Args:
        files: Paths by stem, as `plan` returned them.
        path: The song.
        output: Format and names.

    Returns:
        Whether the song can be skipped.
    """
    if not all(file.is_file() for file in files.values()):
        return False
    try:
        with open_audio(path) as source:
            return all(_is_whole(file, source, output) for file in files.values())
    except InputError:
        return False


def _is_whole(path: Path, source: AudioFile, output: Output) -> bool:
    """Return whether a file has as many samples as the song and is marked as made from it."""
    try:
        if output.format == STEM_MP4:
            with open_audio(path) as made:  # ffmpeg decodes whole AAC blocks, and the lead-in
                return 0 <= made.samples - source.samples < 4 * AAC_BLOCK
        with soundfile.SoundFile(native(path)) as file:
            found = (file.samplerate, file.channels, file.frames, file.subtype)
            expected = (source.sample_rate, source.channels, source.samples, output.subtype)
            marked = output.format == "mp3" or file.software.startswith(_mark(source, output))
            file.seek(source.samples - 1)
            return found == expected and marked and len(file.read(1)) == 1
    except (soundfile.SoundFileError, InputError):
        return False


def _mark(source: AudioFile, output: Output) -> str:
    return f"{MAKER} {source.digest} {output.model}".strip()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


@dataclasses.dataclass(frozen=True)
class Written:
    """Files that were written.

    Args:
        files: Paths by stem.
        gain_db: Common gain in dB that was applied to all files so that none clips; 0 for none.
    """

    files: dict[str, Path]
    gain_db: float


class StemWriter:
    """Context manager that writes the stems of a song block by block.

    Blocks are written to a hidden folder in the output folder. `finish` converts them to the output
    format, checks that the files are complete, and moves them to their final names; without it,
    nothing is left behind.

    Args:
        out_dir: Folder to write to; created if it is missing.
        song: Name of the song.
        stems: Names of the stems.
        source: The mixture, whose sample rate, channels, length and tags the stems have.
        output: Format and names.

    Raises:
        InputError: If the folder cannot be written, a name is invalid, or the format cannot store
            such a song.
    """

    def __init__(
        self,
        out_dir: str | Path,
        song: str,
        stems: Sequence[str],
        source: AudioFile,
        output: Output,
    ):
        self._source, self._output, self._stems = source, output, tuple(stems)
        self._out_dir = Path(out_dir)
        self._paths = plan(output, out_dir, {source.path: song}, stems)[source.path]
        self._names = [*self._paths]
        if output.format == STEM_MP4:
            self._names = ["mixture", *STEMS]
            self._check_stem_file()
        self._files: dict[str, soundfile.SoundFile] = {}
        self._samples, self._peak = 0, 0.0

    def __enter__(self) -> "StemWriter":
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._stage = stack.enter_context(staging(self._out_dir))
            for path in self._paths.values():
                if path.is_dir():
                    raise InputError(f"{path}: is a folder, expected a file name")
                check_writable(path.parent)
            with self._writing():
                if self._output.format in FORMATS:
                    kind = self._output.format.upper()
                    self._open(self._stage / "probe", kind, self._output.subtype).close()
                large = self._source.samples * self._source.channels * 4 > 4e9
                for name in self._names:
                    file = self._open(self._staged(name), "RF64" if large else "WAV", "FLOAT")
                    self._files[name] = stack.enter_context(file)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(soundfile.SoundFileError):
            self._stack.close()

    def write(self, mixture: np.ndarray, stems: dict[str, np.ndarray]) -> int:
        """Write the next block.

        Args:
            mixture: (samples, channels).
            stems: By name, each with the mixture's shape.

        Returns:
            Samples written so far.

        Raises:
            InputError: If a sample is not a finite number, or the disk is full.
        """
        blocks = {**stems, "mixture": mixture}
        if self._output.residual:
            blocks[self._output.residual] = mixture - sum(stems[name] for name in self._stems)
        with self._writing():
            for name, file in self._files.items():
                peak = float(np.abs(blocks[name]).max())
                if not math.isfinite(peak):
                    raise InputError(f"{name}: a sample to write is not a finite number")
                file.write(blocks[name])
                self._peak = max(self._peak, peak)
        self._samples += len(mixture)
        return self._samples

    def finish(self) -> Written:
        """Convert the written blocks to the output format, and move the files to their names.

        Returns:
            The files and the common gain.

        Raises:
            InputError: If a file cannot be written.
        """
        floats = self._output.subtype in ("FLOAT", "DOUBLE")
        gain = 1.0 if floats or self._peak <= 1 else 0.999 / self._peak
        with self._writing():
            for file in self._files.values():
                file.close()
            if self._output.format == STEM_MP4:
                staged = {"stems": self._mux(gain)}
            else:
                staged = self._convert(gain)
            for name, path in staged.items():
                self._check(name, path)
            for name, path in self._paths.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged[name], path)
        return Written(self._paths, 20 * float(np.log10(gain)))

    def _check_stem_file(self) -> None:
        source = self._source
        if not set(STEMS) <= set(self._stems):
            raise InputError(f"{STEM_MP4} holds all four stems, received {', '.join(self._stems)}")
        if source.sample_rate not in AAC_RATES or source.samples < AAC_BLOCK:
            raise InputError(
                f"{STEM_MP4} cannot hold {source.samples} samples at {source.sample_rate} Hz; "
                f"it takes "
                f"{AAC_BLOCK} samples or more, at one of {', '.join(map(str, AAC_RATES))} Hz"
            )

    def _staged(self, name: str) -> Path:
        return self._stage / f"{self._names.index(name)}.wav"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn soundfile's errors for a full disk or a deleted folder into an InputError."""
        try:
            yield
        except (OSError, *UNWRITTEN) as error:
            reason = getattr(error, "strerror", None) or getattr(error, "error_string", None)
            with contextlib.suppress(OSError):
                free = shutil.disk_usage(self._out_dir).free
                reason = f"{reason or 'write error'} ({free / 1e6:.1f} MB are free)"
            raise InputError(f"{self._out_dir}: cannot write there: {reason}") from error

    def _check(self, name: str, path: Path) -> None:
        with open(path, "r+b") as file:
            os.fsync(file.fileno())
        if not _is_whole(path, self._source, self._output):
            raise InputError(
                f"{self._out_dir}: {name} could not be written completely; is the disk full?"
            )

    def _open(self, path: Path, format_: str, subtype: str | None) -> soundfile.SoundFile:
        source = self._source
        try:
            file = soundfile.SoundFile(
                native(path), "w", source.sample_rate, source.channels, subtype, format=format_
            )
        except soundfile.LibsndfileError as error:
            if error.code == SYSTEM_ERROR:
                raise
            raise InputError(
                f"{format_} cannot hold {source.channels} channels at {source.sample_rate} Hz: "
                f"{error.error_string}"
            ) from error
        for tag, value in {**source.tags, "software": _mark(source, self._output)}.items():
            with contextlib.suppress(soundfile.LibsndfileError):
                setattr(file, tag, value)
        return file

    def _convert(self, gain: float) -> dict[str, Path]:
        """Convert all files, block by block; the residual takes in what rounding loses."""
        paths = {name: self._staged(name) for name in self._names}
        if self._output.format == "wav" and self._output.subtype == "FLOAT":
            for path in paths.values():
                drop_time(path)
            return paths
        done = {name: path.with_suffix(".done") for name, path in paths.items()}
        kind, subtype = self._output.format.upper(), self._output.subtype
        with contextlib.ExitStack() as stack:
            sources, targets = [], []
            for name, path in paths.items():
                file = stack.enter_context(soundfile.SoundFile(native(path)))
                sources.append(AudioFile(path, file).blocks(BLOCK))
                targets.append(stack.enter_context(self._open(done[name], kind, subtype)))
            for blocks in zip(*sources, strict=True):
                scaled = [block * np.float32(gain) for block in blocks]
                if subtype in BITS:
                    scaled = self._round(scaled, BITS[subtype])
                for target, block in zip(targets, scaled, strict=True):
                    target.write(block)
        for path in paths.values():
            path.unlink()
        return done

    def _round(self, blocks: Sequence[np.ndarray], bits: int) -> list[np.ndarray]:
        """Round to the steps of an integer format, 1.0 being one more than the largest.

        soundfile's own rounding of WAV files takes 1.0 for the largest, which changes the level.
        """
        full_scale, rounded = 1 << (bits - 1), []
        lost = np.zeros(blocks[0].shape)
        for name, block in zip(self._names, blocks, strict=True):
            exact = block * np.float64(full_scale)
            if name == self._output.residual:
                exact = exact + lost
            steps = np.clip(np.rint(exact), -full_scale, full_scale - 1)
            lost += exact - steps
            # soundfile drops the lower bits.
            rounded.append((steps.astype("int64") << (32 - bits)).astype("int32"))
        return rounded

    def _mux(self, gain: float) -> Path:
        """Write one MP4 file with mixture, drums, bass, other and vocals as AAC streams."""
        path = self._stage / "done.mp4"
        order = ["mixture", "drums", "bass", "other", "vocals"]
        arguments: list[str | Path] = []
        for name in order:
            arguments += ["-i", f"file:{self._staged(name)}"]
        for index in range(len(order)):
            arguments += ["-map", f"{index}:a"]
        exact = ["-fflags", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "0"]
        codec = ["-c:a", "aac", "-b:a", "256k", "-af", f"volume={gain}"]
        run_ffmpeg([*arguments, *codec, *exact, f"file:{path}"], "writing stem.mp4")
        return path


def write(path: str | Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Write a 32-bit float WAV file, which appears under its name only when it is complete.

    Args:
        path: The file to write.
        waveform: (samples, channels), float32.
        sample_rate: Sample rate in Hz.

    Raises:
        InputError: If the folder is not writable, or a sample is not a finite number.
    """
    if not np.isfinite(waveform).all():
        raise InputError(f"{path}: the samples to write are not finite numbers")
    with replacing(path) as partial:
        write_whole(partial, waveform, sample_rate, "FLOAT", "WAV")
        drop_time(partial)


def write_whole(
    path: Path, waveform: np.ndarray, sample_rate: int, subtype: str, format: str | None = None
) -> None:
    """Write an audio file in place, and check that it is complete.

    Args:
        path: The file to write.
        waveform: (samples, channels), float32 or int16.
        sample_rate: Sample rate in Hz.
        subtype: Sample format as soundfile names it.
        format: Format as soundfile names it. Defaults to `None`: that of the file's name.

    Raises:
        InputError: If the file cannot be written as a whole, as on a full disk.
    """
    try:
        soundfile.write(native(path), waveform, sample_rate, subtype=subtype, format=format)
        if soundfile.info(native(path)).frames == len(waveform):
            return
    except UNWRITTEN:
        pass
    raise InputError(f"{path.parent}: {path.name} cannot be written; is the disk full?")
