"""The tables of a report as Markdown, for a README or a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_mmdense.evaluation.protocols import METRICS
from keras_mmdense.report.formatting import SILENCES, billions, decibels, describe, duration
from keras_mmdense.report.published import CERTAINTY, PUBLISHED
from keras_mmdense.report.report import STEM_ORDER, Group, Report
from keras_mmdense.utils.files import replacing


def write_markdown(path: str | Path, contents: Report) -> None:
    """Write the tables of a report as a Markdown file, atomically.

    Args:
        path: The file; an existing one is replaced.
        contents: Result of `collect`.

    Raises:
        InputError: If the file cannot be written; nothing is left behind.
    """
    blocks = [f"# {contents.title}"]
    for group in contents.groups:
        blocks += _group(group)
    if contents.networks:
        blocks += ["## Networks", _networks(contents)]
    blocks += _published()
    with replacing(path) as temporary:
        temporary.write_text("\n\n".join(blocks) + "\n", "utf-8", "backslashreplace")


def _group(group: Group) -> list[str]:
    blocks = [f"## {escape(group.data)}: {len(group.songs)} songs"]
    blocks.append(f"{describe(group.rule, True)}; dB.")
    rows = [
        (system, stem, *(decibels(row[metric]) for metric in METRICS), row["songs"], row["silent"])
        for system, stems in group.summary().items()
        for stem, row in stems.items()
    ]
    blocks.append(_table(("system", "stem", *METRICS, "songs", "silent"), rows, 2))
    for stem in group.stems():
        values, silent = group.song_values(stem), group.silent(stem)
        rows = [
            (
                f"{song} ({SILENCES[silent[song]]})" if song in silent else song,
                *(decibels(songs.get(song)) for songs in values.values()),
            )
            for song in group.songs
        ]
        blocks += [f"### SDR of each song: {escape(stem)}", _table(("song", *values), rows, 1)]
    return blocks


def _networks(contents: Report) -> str:
    columns = ("network", "table", "stems", "parameters", "multiply-adds / s of audio")
    rows = [
        (
            one.name,
            one.network or "–",
            ", ".join(one.stems) or "–",
            f"{one.parameters:,}",
            billions(one.multiply_adds),
            duration(one.training.seconds if one.training else None),
            duration(one.training.audio_seconds if one.training else None),
        )
        for one in contents.networks
    ]
    return _table((*columns, "training time", "audio seen"), rows, 3)


def _published() -> list[str]:
    blocks = ["## Published scores"]
    blocks.append(
        "SDR in dB. Scores are comparable only on the same data: not on other songs, not on "
        "excerpts of the same songs, not under another rule."
    )
    for table in PUBLISHED:
        stems = [stem for stem in STEM_ORDER if any(stem in row.sdr for row in table.rows)]
        rows = [
            (row.system, *(decibels(row.sdr.get(stem)) for stem in stems), row.certainty)
            for row in table.rows
        ]
        blocks += [f"### {table.data}", describe(table.rule, True) + "."]
        blocks.append(_table(("system", *stems, "certainty"), rows, 1))
    blocks.append("\n".join(f"- {mark}: {words}" for mark, words in CERTAINTY.items()))
    return blocks


def _table(heading: Sequence[str], rows: Iterable[Sequence[object]], texts: int) -> str:
    """Format a table whose first columns are text and whose others are numbers."""
    ruler = ["---"] * texts + ["---:"] * (len(heading) - texts)
    lines = [heading, ruler, *rows]
    return "\n".join("| " + " | ".join(escape(cell) for cell in line) + " |" for line in lines)


def escape(text: object) -> str:
    """Escape text for Markdown, on one line of a table."""
    words = " ".join(str(text).split())
    return "".join(f"\\{mark}" if mark in "\\`*_{}[]<>#|~" else mark for mark in words)
