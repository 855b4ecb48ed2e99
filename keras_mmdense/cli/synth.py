"""The command `synth`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import progress, say
from keras_mmdense.errors import InputError


def synth(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
    tracks: Annotated[int, typer.Option(min=1, help="Number of songs.")] = 10,
    seconds: Annotated[
        float, typer.Option(help="Length of a song in seconds, from 0.1 to 3600.")
    ] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Seed; equal seeds produce equal songs.")] = 0,
    soundfont: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="SoundFont (.sf2, .sf3) that plays drums, bass and other; without vocals then.",
        ),
    ] = None,
) -> None:
    """Write synthesized songs with their stems, in the layout of MUSDB18-HQ.

    Example: keras-mmdense synth songs --tracks 20 --seconds 30 --seed 1
    """
    from keras_mmdense.utils import files
    from keras_mmdense.utils.imports import require
    from keras_mmdense.utils.values import check_number

    require("synth", "demo", "scipy")
    if soundfont is not None:
        require("synth --soundfont", "soundfont", "fluidsynth")
    from keras_mmdense.synthesis.songs import write_songs

    check_number("--seconds", seconds, 0.1, 3600)
    files.check_writable(folder)
    with progress() as report:
        try:
            write_songs(
                folder, tracks, seconds, seed, soundfont=soundfont, progress=report("songs")
            )
        except FileExistsError as error:
            raise InputError(str(error)) from error
    say(f"{folder}/train: {tracks} songs of {seconds:g} s")
