"""The command `export web`."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import console, quiet_startup, tell_terms
from keras_mmdense.cli.export import files_table


def web(
    model: Annotated[
        list[str],
        typer.Argument(
            help="A trained network: a name that `models` lists, a folder `train` wrote, or a file "
            "of `export tflite`; several for networks of one stem each."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write; an older export is replaced.")],
) -> None:
    """Export to a page that separates songs in the browser, for any static host.

    Songs never leave the browser. `_headers` makes common hosts allow threads; elsewhere the page's
    service worker does. See `export/web/README.md`.

    Example: keras-mmdense export web mdensenet_cws_4stems site && keras-mmdense serve site
    """
    with quiet_startup():
        from keras_mmdense.exporting.web.export import BUILD, export_web
    tell_terms(*model)
    built = export_web(model, out)
    console.print(files_table(out, ", ".join(model)))
    if not built:
        console.print(
            f"The page is not built: run {BUILD} in a checkout, then rerun this command.",
            soft_wrap=True,
        )
