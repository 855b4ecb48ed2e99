"""Parts shared by the commands: application, options, progress bars, quiet startup."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.utils.progress import Progress as Report
from keras_mmdense.utils.quiet import quiet_stderr

app = typer.Typer(
    help="Separate music into stems; train, score and export networks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)
# File names may look like markup or emoji codes, and are printed unchanged.
console = Console(markup=False, emoji=False, highlight=False)

TRAINED = DEFAULT
Model = Annotated[
    str,
    typer.Option(
        "--model", help="A trained network: a name that `models` lists, or a folder `train` wrote."
    ),
]


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], Report]]:
    """Provide a function that adds a progress bar: name -> callback."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    bars = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        speed_estimate_period=3600,
    )
    with bars:

        def report(name: str) -> Report:
            task = bars.add_task(name, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield report


def say(text: str) -> None:
    """Print a line without wrapping."""
    console.print(text, soft_wrap=True)


def tell_terms(*models: str | Path) -> None:
    """Print the terms of models whose stems may be used for research only, one line each.

    Args:
        *models: Names and folders of networks, SavedModel folders and `.tflite` files.
    """
    from keras_mmdense.separation.terms import research_terms

    for model in dict.fromkeys(map(str, models)):
        if terms := research_terms(model):
            say(f"{model}: {terms}")


@contextlib.contextmanager
def quiet_startup() -> Iterator[None]:
    """Hide the lines that TensorFlow logs while it is imported and starts."""
    with quiet_stderr():
        if "keras" not in sys.modules:
            _start_keras()
        yield


def _start_keras() -> None:
    try:
        import keras
    except (ImportError, ValueError) as error:
        name = os.environ.get("KERAS_BACKEND", "tensorflow")
        raise InputError(f"KERAS_BACKEND {name!r} cannot be used: {error}") from error
    keras.ops.zeros(1)
