"""The command `export saved-model`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from keras_mmdense.cli.common import console, quiet_startup, tell_terms


def saved_model(
    model: Annotated[
        list[str],
        typer.Argument(
            help="A trained network: a name that `models` lists, or a folder `train` wrote; "
            "several for networks of one stem each."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write; an older export is replaced.")],
) -> None:
    """Export to a SavedModel: waveform or WAV files in, stems out, for TensorFlow and TF Serving.

    STFT and Wiener filter are included. The model card and TF Serving's warm-up requests are in
    OUT/assets.extra.

    Example: keras-mmdense export saved-model mdensenet_cws_4stems models/mmdense/1
    """
    with quiet_startup():
        from keras_mmdense.exporting.saved_model.export import export_saved_model
    tell_terms(*model)
    card = export_saved_model(model, out)
    console.print(files_table(out, f"{', '.join(card.network)}: {', '.join(card.stems)}"))


def files_table(path: Path, title: str) -> Table:
    """Format the files of an export with their sizes."""
    table = Table("file", title=title)
    table.add_column("bytes", justify="right")
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        table.add_row(str(file), f"{file.stat().st_size:,}")
    table.add_section()
    table.add_row("total", f"{sum(file.stat().st_size for file in files):,}")
    return table
