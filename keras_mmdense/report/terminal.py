"""Tables of scores for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_mmdense.evaluation.protocols import METRICS, Rule, find_rule
from keras_mmdense.evaluation.scoring import SongScores, summarize

if TYPE_CHECKING:
    from rich.table import Table


def scores_table(
    results: Mapping[str, Sequence[SongScores]],
    rule: Rule | str = "museval",
    title: str | None = None,
) -> Table:
    """Format the summary of each system and stem as a table that fits 80 columns.

    Args:
        results: System -> scores, as `evaluate_songs` returned them.
        rule: Rule of the summary, see `summarize`. Defaults to `"museval"`.
        title: Title of the table. Defaults to `None`.

    Returns:
        A rich table: scores in dB, the number of scored songs, and the number of songs in which the
        stem was silent or had no frame to score.

    Raises:
        InputError: If the rule is unknown.
    """
    from rich import box
    from rich.table import Table

    rule = find_rule(rule)
    caption = f"dB, rule {rule.name}: {rule.describe()}{_short(results, rule)}"
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("system", min_width=10)
    table.add_column("stem", no_wrap=True)
    for heading in (*METRICS, "songs", "silent"):
        table.add_column(heading, justify="right", no_wrap=True)
    for system, songs in results.items():
        for index, (stem, row) in enumerate(summarize(songs, rule).items()):
            scores = [_decibels(row[metric]) for metric in METRICS]
            label = system if index == 0 else ""
            table.add_row(label, stem, *scores, str(row["songs"]), str(row["silent"]))
        table.add_section()
    return table


def _short(results: Mapping[str, Sequence[SongScores]], rule: Rule) -> str:
    songs = {song.name for songs in results.values() for song in songs if song.window < rule.window}
    if not songs:
        return ""
    return f"; songs shorter than {rule.window:g} s, each one frame: {len(songs)}"


def _decibels(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"
