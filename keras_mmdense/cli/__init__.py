"""The command `keras-mmdense`. Heavy imports happen inside the commands."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from keras_mmdense import __version__
from keras_mmdense.cli import (
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

COMMANDS: tuple[Callable[..., None], ...] = (
    separate.separate,
    demo.demo,
    models.models,
    train.train,
    evaluate.evaluate,
    compare.compare,
    report.report,
    blend.blend,
    efficiency.efficiency,
    filters.filters,
    synth.synth,
    serve.serve,
)
EXPORTS: tuple[Callable[..., None], ...] = (
    export.saved_model,
    export_tflite.tflite,
    export_web.web,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"keras-mmdense {__version__}")
        raise typer.Exit


exports = typer.Typer(
    help="Export a trained network to a file that runs without this package.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
for command in COMMANDS:
    app.command()(command)
# What it does not know is for Beam.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(beam.beam)
for command in EXPORTS:
    exports.command()(command)
app.add_typer(exports, name="export")


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


def main() -> None:
    """Run the command.

    Invalid input, and errors of disk or memory, end with one line on stderr and exit status 2;
    SIGTERM cleans up like Ctrl-C and ends with 143.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow enables it by default only on processors with AVX-512, but AVX2 benefits as well.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal cannot show
    received: list[int] = []

    def terminate(number: int, frame: object) -> None:
        received.append(number)
        sys.exit(128 + number)

    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, terminate)
    try:
        _run()
    finally:
        if received:
            # TensorFlow may have made another exception of it, and crashes if it is still at work
            # while the interpreter shuts down.
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(128 + received[0])


def _run() -> None:
    try:
        app()
    except InputError as error:
        _fail(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}")
    except MemoryError:
        _fail("not enough memory")


def _fail(reason: object) -> None:
    print(f"keras-mmdense: error: {reason}", file=sys.stderr)
    sys.exit(2)
