"""A local server for an exported page, which sends its `_headers`."""

import http.server
import sys
from pathlib import Path
from typing import Any

from keras_mmdense.errors import InputError

HOST = "127.0.0.1"
MODEL = "model.json"
# Files whose names change with their contents.
CONTENTS = ("/assets/*", "/runtime/*", "/*.tflite")
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class _Server(http.server.ThreadingHTTPServer):
    """A server without a word about browsers that stop loading."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def open_server(folder: str | Path, port: int) -> http.server.ThreadingHTTPServer:
    """Open a server for a folder that `export_web` wrote, on this computer only.

    Args:
        folder: The folder.
        port: Port on 127.0.0.1; 0 for any free port.

    Returns:
        The server; `serve_forever` answers requests.

    Raises:
        InputError: If the folder is not an exported page, or the port is in use.
    """
    folder = Path(folder)
    for name in ("index.html", MODEL):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: has no {name}; create it with keras-mmdense export web")

    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map = {
            **http.server.SimpleHTTPRequestHandler.extensions_map,
            ".js": "text/javascript",
            ".wasm": "application/wasm",
        }

        def __init__(self, *arguments: Any):
            super().__init__(*arguments, directory=str(folder))

        def end_headers(self) -> None:
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Cache-Control", "no-cache")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    try:
        return _Server((HOST, port), Handler)
    except OSError as error:
        raise InputError(f"port {port}: cannot be served: {error.strerror}") from error
