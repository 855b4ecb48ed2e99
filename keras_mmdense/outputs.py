"""What separation writes: formats, names, and files that are whole or absent."""

import contextlib
import dataclasses
import os
import shutil
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from keras_mmdense.audio import Source, run_ffmpeg
from keras_mmdense.containers import drop_time
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

FORMATS = {"wav": "FLOAT", "flac": "PCM_24", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}
STEM_MP4 = "stem.mp4"
TEMPLATE = "{song}/{stem}.{format}"
BLOCK = 1 << 18


@dataclasses.dataclass(frozen=True)
class Output:
    """How stems are written.

    Args:
        format: "wav", "flac", "ogg", "mp3", or "stem.mp4": one file with the mixture and the four
            stems as streams, in the order of MUSDB18 (AAC, through ffmpeg).
        subtype: Sample format as soundfile names it, such as "PCM_16"; None takes the format's
            default (32-bit float for WAV, 24 bits for FLAC).
        residual: Name of one more file that holds the mixture minus the stems; None for none.
        filename: Template of the names below the output folder, with {song}, {stem}, {format}.

    Raises:
        InputError: If format, subtype or template do not fit.
    """

    format: str = "wav"
    subtype: str | None = None
    residual: str | None = None
    filename: str = TEMPLATE

    def __post_init__(self):
        if self.format not in (*FORMATS, STEM_MP4):
            choices = ", ".join((*FORMATS, STEM_MP4))
            raise InputError(f"unknown format {self.format!r}; choose of {choices}")
        if self.subtype is not None:
            formats = (
                soundfile.available_subtypes(self.format.upper()) if self.format in FORMATS else {}
            )
            if self.subtype not in formats:
                choices = ", ".join(formats) or "none"
                raise InputError(
                    f"{self.format} has no subtype {self.subtype!r}; choose of {choices}"
                )
        elif self.format in FORMATS:
            object.__setattr__(self, "subtype", FORMATS[self.format])
        if self.format == STEM_MP4 and self.filename == TEMPLATE:
            object.__setattr__(self, "filename", "{song}.{format}")
        self._check_template()

    def paths(self, out_dir: str | Path, song: str, stems: Sequence[str]) -> dict[str, Path]:
        """Names the files of a song.

        Args:
            out_dir: Folder to write to.
            song: Name of the song.
            stems: Names of the stems that are written.

        Returns:
            Paths by stem, with the residual; of a stem file one path, under "stems".
        """
        names = ["stems"] if self.format == STEM_MP4 else [*stems]
        names += [self.residual] if self.residual and self.format != STEM_MP4 else []
        fields = {"song": song, "format": self.format}
        return {name: Path(out_dir) / self.filename.format(**fields, stem=name) for name in names}

    def _check_template(self):
        try:
            fields = {field for _, field, *_ in string.Formatter().parse(self.filename) if field}
        except ValueError as error:
            raise InputError(f"bad file name template {self.filename!r}: {error}") from error
        needed = {"song"} if self.format == STEM_MP4 else {"song", "stem"}
        if not needed <= fields <= {"song", "stem", "format"}:
            raise InputError(
                f"the file name template {self.filename!r} must hold the fields "
                f"{' and '.join(sorted(needed))}, and may hold song, stem and format only"
            )


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written.

    Args:
        files: Paths by stem.
        gain_db: Gain in dB that all files got so that none clips; 0 for none.
    """

    files: dict[str, Path]
    gain_db: float


class StemWriter:
    """Writes the stems of one song, block by block; a context manager.

    Blocks go to hidden temporary files in the output folder. `finish` turns them into the wanted
    format and renames them; without it, nothing is left.

    Args:
        out_dir: Folder to write to; made if it is missing.
        song: Name of the song.
        stems: Names of the stems.
        source: The mixture; gives rate, channels, length and tags.
        output: Format and names.

    Raises:
        InputError: If the folder cannot be written, or the format not hold such a song.
    """

    def __init__(
        self, out_dir: str | Path, song: str, stems: Sequence[str], source: Source, output: Output
    ):
        self._source, self._output, self._stems = source, output, tuple(stems)
        self._paths = output.paths(out_dir, song, stems)
        self._names = [*stems, *([output.residual] if output.residual else [])]
        if output.format == STEM_MP4:
            if not set(STEMS) <= set(stems):
                raise InputError(f"{STEM_MP4} holds all four stems, received {', '.join(stems)}")
            self._names = ["mixture", *STEMS]
        self._stage = Path(out_dir) / f".{song}.partial"
        self._new_folder = not Path(out_dir).exists()
        self._files: dict[str, soundfile.SoundFile] = {}
        self._samples, self._peak = 0, 0.0

    def __enter__(self):
        try:
            shutil.rmtree(self._stage, ignore_errors=True)
            self._stage.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"{self._stage.parent}: cannot write there: {error.strerror}"
            ) from error
        try:
            if self._output.format in FORMATS:
                self._open(
                    self._stage / "probe", self._output.format.upper(), self._output.subtype
                ).close()
            large = self._source.samples * self._source.channels * 4 > 4e9
            for name in self._names:
                path = self._stage / f"{name}.wav"
                self._files[name] = self._open(path, "RF64" if large else "WAV", "FLOAT")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._stage, ignore_errors=True)
        if self._new_folder:
            with contextlib.suppress(OSError):
                self._stage.parent.rmdir()

    def write(self, mixture: np.ndarray, stems: dict[str, np.ndarray]) -> int:
        """Writes the next block.

        Args:
            mixture: (samples, channels).
            stems: By name, each with the mixture's shape.

        Returns:
            Samples written so far.
        """
        blocks = {**stems, "mixture": mixture}
        if self._output.residual:
            blocks[self._output.residual] = mixture - sum(stems[name] for name in self._stems)
        for name, file in self._files.items():
            file.write(blocks[name])
            self._peak = max(self._peak, float(np.abs(blocks[name]).max()))
        self._samples += len(mixture)
        return self._samples

    def finish(self) -> Written:
        """Turns what was written into the wanted format under its final names."""
        for file in self._files.values():
            file.close()
        floats = self._output.subtype in ("FLOAT", "DOUBLE")
        gain = 1.0 if floats or self._peak <= 1 else 0.999 / self._peak
        if self._output.format == STEM_MP4:
            staged = {"stems": self._mux(gain)}
        else:
            staged = {name: self._convert(name, gain) for name in self._names}
        for name, path in self._paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged[name], path)
        return Written(self._paths, 20 * float(np.log10(gain)))

    def _open(self, path, format_, subtype):
        source = self._source
        try:
            file = soundfile.SoundFile(
                path, "w", source.rate, source.channels, subtype, format=format_
            )
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"{format_} cannot hold {source.channels} channels at {source.rate} Hz: {error}"
            ) from error
        for tag, value in source.tags.items():
            if tag != "software":
                with contextlib.suppress(soundfile.LibsndfileError):
                    setattr(file, tag, value)
        return file

    def _convert(self, name, gain):
        staged = self._stage / f"{name}.wav"
        if self._output.format == "wav" and self._output.subtype == "FLOAT":
            drop_time(staged)
            return staged
        path = self._stage / f"{name}.done"
        with (
            soundfile.SoundFile(staged) as source,
            self._open(path, self._output.format.upper(), self._output.subtype) as target,
        ):
            for block in source.blocks(BLOCK, dtype="float32", always_2d=True):
                target.write(block * np.float32(gain))
        staged.unlink()
        return path

    def _mux(self, gain):
        """One MP4 file with mixture, drums, bass, other and vocals as AAC streams."""
        path = self._stage / "done.mp4"
        order = ["mixture", "drums", "bass", "other", "vocals"]
        arguments = []
        for name in order:
            arguments += ["-i", self._stage / f"{name}.wav"]
        for index in range(len(order)):
            arguments += ["-map", f"{index}:a"]
        exact = ["-fflags", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "0"]
        codec = ["-c:a", "aac", "-b:a", "256k", "-af", f"volume={gain}"]
        run_ffmpeg([*arguments, *codec, *exact, path], "writing stem.mp4")
        return path
