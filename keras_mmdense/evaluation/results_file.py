"""Scores as JSON files, written atomically.

The folder that `keras-mmdense evaluate --output OUT` fills:

    OUT/scores.json                     everything that a report needs
    OUT/scores.png                      box plots
    OUT/<system>/settings.json          settings of the evaluation
    OUT/<system>/<split>/<track>.json   a track in museval's schema (see `museval_json`)

`scores.json` is strict JSON; NaN is null, an infinite score "inf" or "-inf":

    {"format": "keras-mmdense scores 1",
     "data": {"root": name of the data set's folder, "split": "valid", "songs": 14},
     "rule": "museval" | "dsd100", "engine": "museval" | "fast",
     "versions": {"museval": "0.4.1", "numpy": ..., "scipy": ...},
     "systems": {name: {
         "description": {"model": what was given, "parameters": 350250, "seconds": 12.3, ...},
         "summary": {stem: {"SDR": dB, "SIR":, "SAR":, "ISR":, "songs": 14, "silent": 0}},
         "songs": [{"name":, "sample_rate": Hz, "window": s, "hop": s,
                    "frames": {stem: {metric: [dB of each frame]}},
                    "medians": {stem: {metric: dB}}, "means": {stem: {metric: dB}},
                    "silent": {stem: reason}, "seconds": 1.2}]}}}

"seconds" is the time of separation, in the description for all songs. It is null or missing if it
is not known, as is "parameters". An oracle's "description" is {"oracle": true}, that of --estimates
{"estimates": the folder's name}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.protocols import METRICS, Rule, find_rule
from keras_mmdense.evaluation.scoring import SongScores, summarize
from keras_mmdense.utils.files import read_json, replacing

FORMAT = "keras-mmdense scores 1"


def write_scores(
    path: str | Path,
    results: Mapping[str, Sequence[SongScores]],
    rule: Rule | str = "museval",
    *,
    engine: str = "museval",
    data: Mapping[str, Any] | None = None,
    descriptions: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write the scores of systems to a JSON file, atomically; see the module for its format.

    Args:
        path: The file; an existing one is replaced.
        results: System -> scores, as `evaluate_songs` returned them.
        rule: Rule of the summary, see `summarize`. Defaults to `"museval"`.
        engine: Engine that computed the scores. Defaults to `"museval"`.
        data: Data set of the scores: "root" and "split". Defaults to `None`.
        descriptions: System -> facts about it: "model", "parameters" and so on. Defaults to `None`.

    Raises:
        InputError: If the rule is unknown, or the file cannot be written; nothing is left behind.
    """
    rule = find_rule(rule)
    content = {
        "format": FORMAT,
        "data": {**(data or {}), "songs": max(map(len, results.values()), default=0)},
        "rule": rule.name,
        "engine": engine,
        "versions": {package: _version(package) for package in ("museval", "numpy", "scipy")},
        "systems": {
            system: _system(songs, rule, (descriptions or {}).get(system, {}))
            for system, songs in results.items()
        },
    }
    text = json.dumps(_plain(content), indent=1, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _system(
    songs: Sequence[SongScores], rule: Rule, description: Mapping[str, Any]
) -> dict[str, Any]:
    times = [song.seconds for song in songs if song.seconds is not None]
    seconds = {"seconds": sum(times)} if times and len(times) == len(songs) else {}
    return {
        "description": {**description, **seconds},
        "summary": summarize(songs, rule),
        "songs": [
            {**vars(song), "medians": song.medians(), "means": song.means()} for song in songs
        ],
    }


def read_scores(path: str | Path) -> dict[str, list[SongScores]]:
    """Read the scores that `write_scores` wrote.

    Args:
        path: The JSON file.

    Returns:
        System -> scores, one entry per song, with frames equal to those written.

    Raises:
        InputError: If the file cannot be read, or does not contain scores.
    """
    try:
        content = read_json(path)
        if content["format"] != FORMAT:
            raise ValueError(f"unknown format {content['format']!r}")
        return {
            system: [_song(entry) for entry in entries["songs"]]
            for system, entries in content["systems"].items()
        }
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: not a file of scores ({error!r})") from error


def _plain(value: Any) -> Any:
    """Convert NumPy types, NaN and infinities to JSON values."""
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
    if not isinstance(given["name"], str) or not isinstance(given["silent"], Mapping):
        raise ValueError("a song has no name, or its silent stems no reasons")
    for stem, metrics in frames.items():
        if set(metrics) != set(METRICS) or len({len(values) for values in metrics.values()}) != 1:
            raise ValueError(f"{stem} of {given['name']} lacks a metric")
    return SongScores(frames=frames, seconds=entry.get("seconds"), **given)


def _array(values: Sequence[float | str | None]) -> np.ndarray:
    return np.array([math.nan if value is None else float(value) for value in values])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
