"""Output files of separation: format, sample type and names."""

import dataclasses
import string
from collections.abc import Sequence
from pathlib import Path, PurePath

import soundfile

from keras_mmdense.errors import InputError
from keras_mmdense.stems import check_names

FORMATS = {"wav": "FLOAT", "flac": "PCM_24", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}
STEM_MP4 = "stem.mp4"
TEMPLATE = "{song}/{stem}.{format}"
# Codecs in WAV that hold only whole blocks of samples, in telephone quality.
BLOCK_CODECS = ("ADPCM", "GSM", "G721", "MPEG")


@dataclasses.dataclass(frozen=True)
class Output:
    """Format and names of output files.

    Args:
        format: "wav", "flac", "ogg", "mp3", or "stem.mp4": one file with the mixture and the four
            stems as streams, in the order of MUSDB18 (AAC, through ffmpeg). Defaults to `"wav"`.
        subtype: Sample format as soundfile names it, such as "PCM_16". Defaults to the format's
            default (32-bit float for WAV, 24 bits for FLAC).
        residual: Name of an additional file with the mixture minus the stems. Defaults to `None`:
            no such file.
        filename: Template of the names below the output folder, with {song}, {stem}, {format}.
            Defaults to `"{song}/{stem}.{format}"`.
        model: Fingerprint of the model, by which `--resume` recognizes stems of another model.

    Raises:
        InputError: If format, subtype, residual or template is invalid.
    """

    format: str = "wav"
    subtype: str | None = None
    residual: str | None = None
    filename: str = TEMPLATE
    model: str = ""

    def __post_init__(self) -> None:
        if self.format not in (*FORMATS, STEM_MP4):
            choices = ", ".join((*FORMATS, STEM_MP4))
            raise InputError(f"unknown format {self.format!r}; choose from {choices}")
        if self.subtype is not None:
            formats = self._subtypes()
            if self.subtype not in formats:
                choices = ", ".join(formats) or "none"
                raise InputError(
                    f"{self.format} has no subtype {self.subtype!r}; choose from {choices}"
                )
        elif self.format in FORMATS:
            object.__setattr__(self, "subtype", FORMATS[self.format])
        if self.format == STEM_MP4:
            if self.residual:
                raise InputError(f"{STEM_MP4} holds the four stems, not {self.residual}")
            if self.filename == TEMPLATE:
                object.__setattr__(self, "filename", "{song}.{format}")
        self._check_template()

    def paths(self, out_dir: str | Path, song: str, stems: Sequence[str]) -> dict[str, Path]:
        """Return the file names of a song.

        Args:
            out_dir: Folder to write to.
            song: Name of the song.
            stems: Names of the stems to write.

        Returns:
            Paths by stem, including the residual; for a stem file a single path, under "stems".

        Raises:
            InputError: If a stem's name is invalid, or a path is not below `out_dir`.
        """
        names = ["stems"] if self.format == STEM_MP4 else [*stems]
        names += [self.residual] if self.residual else []
        fields = {"song": song, "format": self.format}
        paths = {}
        for stem in check_names("stems", names):
            name = self.filename.format(**fields, stem=stem)
            if PurePath(name).anchor or "\0" in name or {"", ".", ".."} & {*name.split("/")}:
                raise InputError(f"{name!r} is not the name of a file below the output folder")
            paths[stem] = Path(out_dir) / name
        return paths

    def _subtypes(self) -> list[str]:
        if self.format not in FORMATS:
            return []
        known = soundfile.available_subtypes(self.format.upper())
        exact = self.format != "wav"
        return [x for x in known if exact or not any(codec in x for codec in BLOCK_CODECS)]

    def _check_template(self) -> None:
        try:
            parts = [part[1:] for part in string.Formatter().parse(self.filename)]
        except ValueError as error:
            raise InputError(f"bad file name template {self.filename!r}: {error}") from error
        fields = {field for field, *_ in parts if field is not None}
        needed = {"song"} if self.format == STEM_MP4 else {"song", "stem"}
        if not needed <= fields <= {"song", "stem", "format"}:
            raise InputError(
                f"the file name template {self.filename!r} must hold the fields "
                f"{' and '.join(sorted(needed))}, and may hold song, stem and format only"
            )
        if any(spec or conversion for _, spec, conversion in parts):
            raise InputError(
                f"the fields of the file name template {self.filename!r} take no ':' and no '!'"
            )
        self.paths(".", "song", ["stem"])
