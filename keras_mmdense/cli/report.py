"""The command `report`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keras_mmdense.cli.common import progress, quiet_startup, say, tell_terms
from keras_mmdense.errors import InputError

if TYPE_CHECKING:
    from keras_mmdense.analysis.run_folders import Scores
    from keras_mmdense.report.excerpts import Excerpt


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folders that `evaluate --output` or `train` wrote."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page; a .md file is written next to it.")
    ] = Path("report.html"),
    root: Annotated[Path | None, typer.Option(help="Folder of songs for excerpts.")] = None,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "valid",
    model: Annotated[
        str | None,
        typer.Option(
            help="Model for the excerpts, as for `evaluate`. Defaults to a network of the runs."
        ),
    ] = None,
    excerpts: Annotated[int, typer.Option(min=1, help="Number of excerpts.")] = 3,
) -> None:
    """Write a page about runs: scores, box plots, spectrograms, players, networks.

    One HTML file that needs no network connection, with a Markdown file of its tables next to it.
    Without --root it has no spectrograms and players.

    Example: keras-mmdense report runs/vocals --root musdb18 --model runs/vocals
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{output}: expected a name that ends in .html")
    if model and not root:
        raise InputError("--model requires --root, the songs to separate")
    from keras_mmdense.data.songs import check_root
    from keras_mmdense.utils.files import check_writable
    from keras_mmdense.utils.imports import require

    require("report", "report", "jinja2", "matplotlib", "scipy")
    check_writable(output.parent)
    if root:
        check_root(root)
    with quiet_startup():
        from keras_mmdense.analysis.run_folders import read_runs
        from keras_mmdense.report.html import write_html
        from keras_mmdense.report.markdown import write_markdown
        from keras_mmdense.report.report import Report, collect, find_networks
    scores, trainings = read_runs(runs)
    beside = output.with_suffix(".md")
    if beside.exists() and not beside.read_bytes().startswith(f"# {Report.title}".encode()):
        raise InputError(f"{beside}: would be replaced, but is not a report; choose another name")
    taken: list[Excerpt] = []
    if root:
        networks = [model] if model else find_networks(scores, trainings)
        if not networks:
            raise InputError("no network of these runs was found; select one with --model")
        taken = _take(root, split, networks[0], scores, excerpts)
    collected = collect(scores, trainings, taken)
    write_html(output, collected)
    write_markdown(beside, collected)
    say(f"{output} and {beside.name}")


def _take(
    root: Path, split: str, model: str, scores: Sequence["Scores"], count: int
) -> list["Excerpt"]:
    from keras_mmdense.data.songs import find_songs

    with quiet_startup():
        from keras_mmdense.report.excerpts import take_excerpts
        from keras_mmdense.report.report import rank_songs
        from keras_mmdense.separation.separator import Separator
    songs = find_songs(root, split)
    tell_terms(model)
    separator = Separator.from_pretrained(model)
    ranking = rank_songs(scores, model, separator.stems)
    with progress() as bars:
        bar = bars("excerpts")
        return take_excerpts(songs, separator, count, scored=ranking, progress=bar)
