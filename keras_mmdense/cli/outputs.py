"""Options of the commands that separate: which model, which stems, and how they are written."""

from typing import Annotated

import typer

from keras_mmdense.errors import InputError

Models = Annotated[
    list[str],
    typer.Option(
        "--model",
        help="A trained network: a name that `models` lists, a folder `train` wrote, a "
        "SavedModel folder, a .tflite or a .keras file; the first two may be repeated for "
        "networks of one stem each. A SavedModel is a program: open only those you trust.",
    ),
]
Stems = Annotated[
    str | None,
    typer.Option(help="Stems to write, such as vocals,drums; only the required networks run."),
]
TwoStems = Annotated[
    str | None, typer.Option(help="Write one stem, such as vocals, and the rest as another.")
]
Residual = Annotated[
    bool, typer.Option("--residual", help="Also write the mixture minus the written stems.")
]
Format = Annotated[str, typer.Option(help="wav, flac, ogg, mp3 or stem.mp4 (ffmpeg).")]
Subtype = Annotated[
    str | None,
    typer.Option(help="Sample format, such as PCM_16. Defaults to FLOAT for wav, PCM_24 for flac."),
]
Filename = Annotated[
    str,
    typer.Option(
        help="Template of the file names below OUTPUT, with {song}, {stem} and {format}. "
        "stem.mp4 has {song}.{format} by default."
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="Engine of the network: litert (8 bits for networks of the package), tensorflow "
        "(float32), or auto for LiteRT if possible."
    ),
]


def choose_stems(
    stems: str | None, two_stems: str | None, residual: bool
) -> tuple[list[str] | None, str | None]:
    """Find out what the options for stems ask for.

    Args:
        stems: Names with commas between them, None for all.
        two_stems: The stem that is written beside all the rest.
        residual: Whether to write what the stems leave.

    Returns:
        The stems to separate, None for all, and the name of one more file for what they leave.

    Raises:
        InputError: If the options exclude each other.
    """
    from keras_mmdense.stems import rest_name

    if two_stems is None:
        wanted = None if stems is None else [stem.strip() for stem in stems.split(",")]
        return wanted, "residual" if residual else None
    if stems or residual:
        raise InputError("--two-stems cannot be combined with --stems or --residual")
    return [two_stems], "vocals" if two_stems == "accompaniment" else rest_name([two_stems])
