"""The command `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import (
    TRAINED,
    Model,
    console,
    progress,
    say,
    tell_terms,
)


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "demo"
    ),
    model: Model = TRAINED,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the song.")] = 2017,
    seconds: Annotated[
        float, typer.Option(help="Length of the song in seconds, from 3 to 3600.")
    ] = 20,
) -> None:
    """Synthesize a song, separate it, and print the gain in SDR.

    Writes the four stems, the mixture (FLAC) and a figure of their spectrograms.

    Example: keras-mmdense demo -o demo
    """
    from keras_mmdense.utils import files
    from keras_mmdense.utils.imports import require
    from keras_mmdense.utils.quiet import quiet_stderr
    from keras_mmdense.utils.values import check_number

    check_number("--seconds", seconds, 3, 3600)
    require("demo", "demo", "scipy", "matplotlib")
    files.check_writable(output)
    tell_terms(model)
    with quiet_stderr():
        from keras_mmdense.report.demo import gains_table, run
        from keras_mmdense.separation.separator import Separator

        separator = Separator(model)
    with progress() as report:
        gains = run(separator, output, seed, seconds, report("separating"))
    console.print(gains_table(gains))
    say(f"{output}: {', '.join(sorted(path.name for path in output.iterdir()))}")
