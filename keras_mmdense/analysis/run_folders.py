"""Folders that `evaluate` and `train` wrote, read for a report."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.protocols import Rule, find_rule
from keras_mmdense.evaluation.results_file import read_scores
from keras_mmdense.evaluation.scoring import SongScores
from keras_mmdense.pretrained.catalog import DESCRIPTION
from keras_mmdense.pretrained.networks import NetworkSpec, load_network
from keras_mmdense.utils.files import read_json
from keras_mmdense.utils.values import check_number, check_whole


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """What a `scores.json` holds.

    Attributes:
        name: the folder it lies in, as given.
        rule: the rule of the evaluation.
        data: "root" and "split" of the songs, as far as the file tells.
        systems: system -> scores, one entry a song.
        descriptions: system -> what is known of it, such as "model" and "parameters".
    """

    name: str
    rule: Rule
    data: Mapping[str, Any]
    systems: Mapping[str, Sequence[SongScores]]
    descriptions: Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """What a folder that `train` wrote tells of the run.

    Attributes:
        name: the folder, as given.
        spec: the network that was trained.
        settings: the contents of `run.json`, empty if there is none.
        curve: the rows of `curve.csv`, one an epoch: column -> number, where there is one.
    """

    name: str
    spec: NetworkSpec
    settings: Mapping[str, Any]
    curve: Sequence[Mapping[str, float]]

    @property
    def seconds(self) -> float | None:
        """Seconds the training took, None if the run does not tell."""
        return self.settings.get("training_seconds") or None

    @property
    def audio_seconds(self) -> float | None:
        """Seconds of audio the network has seen, None if the run does not tell."""
        last = self.curve[-1] if self.curve else {}
        return self.settings.get("audio_seconds") or last.get("audio_seconds")


def read_runs(
    folders: Sequence[str | Path],
) -> tuple[list[Scores], list[Training]]:
    """Reads what there is in folders that `evaluate --output` or `train` wrote.

    Args:
        folders: the folders; one that `train` wrote may have its scores in `scores/`.

    Returns:
        Scores and trainings, in the order of the folders.

    Raises:
        InputError: a folder holds neither, or a file in it cannot be read.
    """
    scores, trainings = [], []
    for folder in map(Path, folders):
        found = [path for path in (folder, folder / "scores") if (path / "scores.json").is_file()]
        scores += [read_score_folder(path) for path in found]
        trained = (folder / DESCRIPTION).is_file()
        if trained:
            trainings.append(read_training(folder))
        if not found and not trained:
            raise InputError(
                f"{folder}: expected scores.json, which evaluate --output writes, or "
                f"{DESCRIPTION}, which train writes"
            )
    return scores, trainings


def read_score_folder(folder: str | Path) -> Scores:
    """Reads the `scores.json` of a folder; raises InputError if it is not one."""
    path = Path(folder) / "scores.json"
    systems, content = read_scores(path), read_json(path)
    data = content.get("data", {})
    descriptions = {
        system: entry.get("description", {}) for system, entry in content["systems"].items()
    }
    try:
        rule = find_rule(content["rule"])
        if not all(isinstance(entry, Mapping) for entry in (data, *descriptions.values())):
            raise ValueError("data and descriptions must be JSON objects")
        for description in descriptions.values():
            if description.get("parameters") is not None:
                check_whole("parameters", description["parameters"], 0)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of scores: {error}") from error
    return Scores(str(folder), rule, data, systems, descriptions)


def read_training(folder: str | Path) -> Training:
    """Reads a folder that `train` wrote; raises InputError if it is not one."""
    folder = Path(folder)
    spec, _ = load_network(folder)
    settings, curve = {}, []
    try:
        if (path := folder / "run.json").is_file():
            settings = read_json(path)
            for name in ("training_seconds", "audio_seconds"):
                check_number(name, settings.get(name) or 0, 0, math.inf)
        if (path := folder / "curve.csv").is_file():
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            curve = [{key: float(cell) for key, cell in row.items() if cell} for row in rows]
            if not all("audio_seconds" in row for row in curve):
                raise ValueError("a row has no audio_seconds")
    except (ValueError, TypeError, OSError, csv.Error) as error:
        raise InputError(f"{path}: not as train wrote it: {error}") from error
    return Training(str(folder), spec, settings, curve)
