"""Reading of folders that `evaluate` and `train` wrote."""

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
    """Contents of a `scores.json`.

    Attributes:
        name: Its folder, as given.
        rule: Rule of the evaluation.
        data: "root" and "split" of the songs, if known.
        systems: System -> scores, one entry per song.
        descriptions: System -> facts about it, such as "model" and "parameters".
    """

    name: str
    rule: Rule
    data: Mapping[str, Any]
    systems: Mapping[str, Sequence[SongScores]]
    descriptions: Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """A training run, read from its folder.

    Attributes:
        name: Its folder, as given.
        spec: Spec of the network.
        settings: Contents of `run.json`, empty if there is none.
        curve: Rows of `curve.csv`, one per epoch: column -> number, if there is one.
    """

    name: str
    spec: NetworkSpec
    settings: Mapping[str, Any]
    curve: Sequence[Mapping[str, float]]

    @property
    def seconds(self) -> float | None:
        """Seconds of training, None if not known."""
        return self.settings.get("training_seconds") or None

    @property
    def audio_seconds(self) -> float | None:
        """Seconds of audio that the network has seen, None if not known."""
        last = self.curve[-1] if self.curve else {}
        return self.settings.get("audio_seconds") or last.get("audio_seconds")


def read_runs(
    folders: Sequence[str | Path],
) -> tuple[list[Scores], list[Training]]:
    """Read folders that `evaluate --output` or `train` wrote.

    Args:
        folders: The folders; one that `train` wrote may have scores in `scores/`.

    Returns:
        Scores and trainings, in the order of the folders.

    Raises:
        InputError: If a folder contains neither, or a file in it cannot be read.
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
    """Read the `scores.json` of a folder.

    Args:
        folder: Folder that `evaluate --output` wrote.

    Returns:
        The scores.

    Raises:
        InputError: If the file is missing or invalid.
    """
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
    """Read a folder that `train` wrote.

    Args:
        folder: The folder.

    Returns:
        The training run.

    Raises:
        InputError: If a file is missing or invalid.
    """
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
        raise InputError(f"{path}: not a file that train wrote: {error}") from error
    return Training(str(folder), spec, settings, curve)
