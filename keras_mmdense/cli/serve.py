"""The command `serve`."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import console


def serve(
    folder: Annotated[Path, typer.Argument(help="Folder that `export web` wrote.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this computer; 0 for any.")
    ] = 8000,
) -> None:
    """Serve a page of `export web` on this computer, with the headers that allow threads.

    Example: keras-mmdense serve site
    """
    from keras_mmdense.exporting.web.server import HOST, open_server

    with open_server(folder, port) as server, contextlib.suppress(KeyboardInterrupt):
        console.print(f"http://{HOST}:{server.server_port}/ (Ctrl-C to stop)")
        server.serve_forever()
