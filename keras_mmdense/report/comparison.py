"""A paired comparison as a table, sentences, Markdown, JSON and a figure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mmdense.evaluation.comparison import Comparison, Difference, StemComparison
from keras_mmdense.report.formatting import literal
from keras_mmdense.report.markdown import escape
from keras_mmdense.utils.files import replacing
from keras_mmdense.utils.palette import COLORS

if TYPE_CHECKING:
    from rich.table import Table

FORMAT = "keras-mmdense comparison 1"
HEADINGS = ("stem", "songs", "over songs", "A", "B", "B - A", "95 % interval")
CAPTION = "SDR in dB. Paired bootstrap over songs, not over seeds of a training."

Names = tuple[str, str]


def comparison_table(comparison: Comparison, names: Names) -> Table:
    """Format a comparison as a rich table that fits 80 columns.

    Args:
        comparison: Result of `compare`.
        names: Names of the baseline (A) and the other system (B).

    Returns:
        A table with two rows per stem, medians and means over songs in dB.
    """
    from rich import box, markup
    from rich.table import Table

    title = markup.escape("A: {}\nB: {}".format(*names))
    table = Table(title=title, caption=CAPTION, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in HEADINGS:
        text = heading in ("stem", "over songs")
        table.add_column(heading, justify="left" if text else "right", no_wrap=True)
    for row in _rows(comparison):
        table.add_row(*row, end_section=not row[0])
    return table


def sentences(comparison: Comparison) -> list[str]:
    """Describe a comparison of B with A in sentences.

    Args:
        comparison: Result of `compare`.

    Returns:
        Lines with the verdicts, and with what was not compared or counted.
    """
    lines = [f"{stem}: {one.verdict()}" for stem, one in comparison.rows().items()]
    for stem, one in comparison.stems.items():
        if one.unscored:
            songs = ", ".join(one.unscored)
            lines.append(f"{stem}: without a finite score of A and B, not counted: {songs}")
    return lines + [f"{stem}: not compared, {why}" for stem, why in comparison.left_out.items()]


def write_comparison(folder: str | Path, comparison: Comparison, names: Names, rule: str) -> None:
    """Write `comparison.json`, `comparison.md` and `comparison.png`, each atomically.

    Args:
        folder: Folder to write to; created if it is missing, existing files are replaced.
        comparison: Result of `compare`.
        names: Names of the baseline (A) and the other system (B).
        rule: Name of the rule of the scores.

    Raises:
        InputError: If the folder cannot be written.
    """
    folder = Path(folder)
    content = {
        "format": FORMAT,
        "rule": rule,
        "baseline": names[0],
        "other": names[1],
        "stems": {stem: _entry(one) for stem, one in comparison.stems.items()},
        "average": _entry(comparison.average) if comparison.average else None,
        "left_out": comparison.left_out,
    }
    with replacing(folder / "comparison.json") as temporary:
        text = json.dumps(content, indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    with replacing(folder / "comparison.md") as temporary:
        temporary.write_text(_markdown(comparison, names), "utf-8", "backslashreplace")
    with replacing(folder / "comparison.png") as temporary:
        _draw(comparison, names, temporary)


def _rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    for stem, one in comparison.rows().items():
        yield stem, str(len(one.songs)), "median", *_cells(one.median)
        yield "", "", "mean", *_cells(one.mean)


def _cells(found: Difference) -> tuple[str, ...]:
    interval = "{:+.2f} to {:+.2f}".format(*found.interval) if found.interval else "-"
    return f"{found.baseline:.2f}", f"{found.other:.2f}", f"{found.difference:+.2f}", interval


def _entry(one: StemComparison) -> dict[str, Any]:
    statistics = {name: dataclasses.asdict(getattr(one, name)) for name in ("median", "mean")}
    songs = {"songs": one.songs, "unscored": one.unscored}
    return {"verdict": one.verdict(), **statistics, **songs}


def _markdown(comparison: Comparison, names: Names) -> str:
    ruler = ("---" if heading in ("stem", "over songs") else "---:" for heading in HEADINGS)
    lines = [HEADINGS, tuple(ruler), *_rows(comparison)]
    table = "\n".join(f"| {' | '.join(map(escape, line))} |" for line in lines)
    legend = "A: {}  \nB: {}".format(*map(escape, names))
    words = "\n".join(f"- {escape(line)}" for line in sentences(comparison))
    return "\n\n".join(("# Paired comparison", legend, table, CAPTION, words)) + "\n"


def _draw(comparison: Comparison, names: Names, path: Path) -> None:
    """Plot a dot per song and, next to it, the mean of the differences with its interval."""
    from matplotlib.figure import Figure

    rows = comparison.rows()
    figure = Figure(figsize=(max(6.0, 1.6 * len(rows)), 4.5), layout="constrained")
    axes = figure.add_subplot()
    for place, one in enumerate(rows.values()):
        values = np.array([*one.songs.values()])
        spread = np.linspace(-0.25, 0.0, len(values)) if len(values) > 1 else -0.125
        dots = "song" if place == 0 else None
        axes.scatter(place + spread, values, s=12, color=COLORS[0], alpha=0.6, label=dots)
        low, high = one.mean.interval or (one.mean.difference,) * 2
        errors = [[one.mean.difference - low], [high - one.mean.difference]]
        bar: dict[str, Any] = {"fmt": "D", "color": "black", "capsize": 4, "markersize": 5}
        label = "mean with 95 % interval" if place == 0 else None
        axes.errorbar(place + 0.2, one.mean.difference, yerr=errors, label=label, **bar)
    axes.axhline(0.0, color="black", linewidth=0.8)
    ticks = [f"{literal(stem)}\n{len(one.songs)} songs" for stem, one in rows.items()]
    axes.set_xticks(range(len(rows)), ticks)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.set_ylabel("SDR of B minus SDR of A (dB)")
    axes.set_title("A: {}\nB: {}".format(*map(literal, names)), fontsize=10)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, format="png", dpi=150)
