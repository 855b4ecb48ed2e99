"""The command `filters`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import console, quiet_startup, say, tell_terms
from keras_mmdense.errors import InputError


def filters(
    model: Annotated[
        str, typer.Argument(help="A trained network: a name or a folder that `train` wrote.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The figure.")] = Path(
        "filters.png"
    ),
) -> None:
    """Show how strongly each up-path block reads up-sampled maps and skip maps.

    Plots the l2-norm of the filter weights of each input map in the first convolution of each
    up-path dense block, the paper's validation of its architecture.

    Example: keras-mmdense filters runs/vocals -o filters.png
    """
    if output.suffix.lower() != ".png":
        raise InputError(f"{output}: expected a name that ends in .png")
    from keras_mmdense.utils.imports import require

    require("filters", "report", "matplotlib")
    with quiet_startup():
        from keras_mmdense.analysis.filter_norms import filter_norms, filters_table, plot_filters
        from keras_mmdense.pretrained.networks import load_network
    tell_terms(model)
    blocks = filter_norms(load_network(model).model)
    plot_filters(blocks, output)
    console.print(filters_table(blocks, title=model))
    say(str(output))
