"""The command `keras-mmdense`: parses, calls, reports. Heavy imports happen inside commands."""

import contextlib
import os
import signal
import sys
from typing import Annotated

import typer

from keras_mmdense import __version__
from keras_mmdense.cli import (  # noqa: F401
    beam,
    blend,
    compare,
    demo,
    efficiency,
    evaluate,
    export,
    export_tflite,
    export_web,
    filters,
    models,
    report,
    separate,
    serve,
    synth,
    train,
)
from keras_mmdense.cli.common import app
from keras_mmdense.errors import InputError


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"keras-mmdense {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main():
    """Runs the command.

    Bad input, and what the disk or the memory refuses, end in one line on stderr and exit status 2;
    SIGTERM cleans up as Ctrl-C does and ends with 143.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow turns it on by itself on processors with AVX-512 only; AVX2 gains as well.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal cannot show
    with contextlib.suppress(ValueError):  # in another thread than the main one
        signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except InputError as error:
        _fail(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}")
    except MemoryError:
        _fail("not enough memory")


def _fail(reason):
    print(f"keras-mmdense: error: {reason}", file=sys.stderr)
    sys.exit(2)


def _terminate(number, frame):
    sys.exit(128 + number)
