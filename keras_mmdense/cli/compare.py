"""The command `compare`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keras_mmdense.cli.common import console, quiet_startup
from keras_mmdense.errors import InputError

if TYPE_CHECKING:
    from keras_mmdense.analysis.run_folders import Scores
    from keras_mmdense.evaluation.scoring import SongScores


def compare(
    baseline_scores: Annotated[
        Path, typer.Argument(metavar="SCORES_A", help="Folder that `evaluate --output` wrote.")
    ],
    other_scores: Annotated[
        Path | None,
        typer.Argument(
            metavar="SCORES_B", help="Folder with scores of the same songs. Defaults to SCORES_A."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="System of SCORES_A. Defaults to the one that is not an oracle."),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            help="System of SCORES_B. Defaults to the only one except oracles and the baseline."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for comparison.json, .md and .png."),
    ] = None,
) -> None:
    """Compare two systems on the same songs, with intervals.

    Prints medians and means over songs of the SDR of both systems, their difference with a 95 %
    paired bootstrap interval, and a verdict: within noise if the interval of the mean includes 0.
    A difference below 0.3 dB needs a second training seed.

    Example: keras-mmdense compare scores/before scores/after -o comparison
    """
    from keras_mmdense.utils.files import check_writable
    from keras_mmdense.utils.imports import require

    require("compare", "eval", "scipy", *(["matplotlib"] if output else []))
    if output:
        check_writable(output)
    first = _read(baseline_scores)
    second = _read(other_scores) if other_scores else first
    if first.rule != second.rule:
        raise InputError(
            f"{second.name}: scored by rule {second.rule.name}, expected {first.rule.name} "
            f"as in {first.name}"
        )
    chosen = baseline or _only_system(first, "--baseline", None)
    other = system or _only_system(second, "--system", chosen if second is first else None)
    before, after = _scores(first, chosen), _scores(second, other)
    with quiet_startup():
        from keras_mmdense.evaluation import comparison
        from keras_mmdense.report.comparison import comparison_table, sentences, write_comparison
    found = comparison.compare(before, after, first.rule)
    names = (f"{chosen} ({first.name})", f"{other} ({second.name})")
    if output:
        write_comparison(output, found, names, first.rule.name)
    console.print(comparison_table(found, names))
    for line in sentences(found):
        console.print(line, highlight=False, markup=False)


def _read(folder: Path) -> "Scores":
    if not (folder / "scores.json").is_file():
        raise InputError(f"{folder}: expected scores.json, which evaluate --output writes")
    with quiet_startup():
        from keras_mmdense.analysis.run_folders import read_score_folder
    return read_score_folder(folder)


def _only_system(scores: "Scores", option: str, taken: str | None) -> str:
    """Return the only system that is neither an oracle nor taken."""
    known = [
        name
        for name in scores.systems
        if name != taken and not scores.descriptions[name].get("oracle")
    ]
    if len(known) != 1:
        choices = ", ".join(scores.systems)
        raise InputError(f"{scores.name}: select a system with {option}; choices: {choices}")
    return known[0]


def _scores(scores: "Scores", name: str) -> Sequence["SongScores"]:
    if name not in scores.systems:
        choices = ", ".join(scores.systems)
        raise InputError(f"{scores.name}: no system {name!r}; choices: {choices}")
    return scores.systems[name]
