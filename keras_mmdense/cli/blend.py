"""The command `blend`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import quiet_startup, say, tell_terms


def blend(
    first: Annotated[str, typer.Argument(help="A trained network; an FNN in the paper.")],
    second: Annotated[
        str, typer.Argument(help="Another one for the same stems; a BLSTM in the paper.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    share: Annotated[float, typer.Option(help="Share of FIRST in the output.")] = 0.25,
) -> None:
    """Blend two trained networks into one, before the Wiener filter.

    `separate`, `evaluate` and `export` accept OUTPUT as a model.

    Example: keras-mmdense blend runs/fnn runs/blstm -o runs/blend --share 0.25
    """
    from keras_mmdense.utils.files import check_writable

    check_writable(output)
    with quiet_startup():
        from keras_mmdense.pretrained import blending
    tell_terms(first, second)
    network = blending.blend(first, second, output, share)
    say(f"{output}: {network.config.summary}, {', '.join(network.targets)}")
