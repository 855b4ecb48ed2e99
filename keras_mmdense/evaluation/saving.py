"""Scores as JSON files, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from keras_mmdense.evaluation.scores import SongScores, summarize
from keras_mmdense.files import replacing

FORMAT = "keras-mmdense scores 1"


def write_scores(
    path: str | os.PathLike[str],
    results: Mapping[str, Sequence[SongScores]],
    rule: str = "museval",
) -> None:
    """Writes the scores of systems to a JSON file, atomically.

    The file holds the rule, the versions of museval, numpy and scipy, and for each system its
    summary, and for each song the frames' scores, their medians (both in dB) and what was silent.
    NaN is written as null, an infinite score as "inf" or "-inf".

    Args:
        path: the file; an old one is replaced.
        results: system -> scores, as `evaluate_songs` gives them.
        rule: the rule of the summary, see `summarize`.

    Raises:
        ValueError: unknown rule.
        OSError: the file cannot be written; nothing is left behind.
    """
    systems = {
        system: {
            "summary": summarize(songs, rule),
            "songs": [{**vars(song), "medians": song.medians()} for song in songs],
        }
        for system, songs in results.items()
    }
    versions = {package: _version(package) for package in ("museval", "numpy", "scipy")}
    content = {"format": FORMAT, "rule": rule, "versions": versions, "systems": systems}
    text = json.dumps(_plain(content), indent=1, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_scores(path: str | os.PathLike[str]) -> dict[str, list[SongScores]]:
    """Reads the scores that `write_scores` wrote.

    Args:
        path: the JSON file.

    Returns:
        system -> scores, one entry a song; frames equal to those written.

    Raises:
        ValueError: the file is not one of scores.
        OSError: the file cannot be read.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"unknown format {content['format']!r}")
        return {
            system: [_song(entry) for entry in entries["songs"]]
            for system, entries in content["systems"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a file of scores: {path} ({error!r})") from error


def _plain(value: Any) -> Any:
    """The value with numpy's types, NaN and infinities turned into what JSON can say."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _song(entry: Mapping[str, Any]) -> SongScores:
    frames = {
        stem: {metric: _array(values) for metric, values in metrics.items()}
        for stem, metrics in entry["frames"].items()
    }
    given = {key: entry[key] for key in ("name", "sample_rate", "window", "hop", "silent")}
    return SongScores(frames=frames, **given)


def _array(values: Sequence[float | str | None]) -> np.ndarray:
    return np.array([math.nan if value is None else float(value) for value in values])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
