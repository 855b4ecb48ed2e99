"""Scores of a system in one file per track in museval's schema, so that a run can be resumed.

`<folder>/<track>.json` is what `museval.TrackStore` writes, {"targets": [{"name", "frames":
[{"time", "duration", "metrics": {"SDR", "SIR", "ISR", "SAR"}}]}]}, but with all digits; NaN and
Infinity are written as such. Additional keys are "song", "sample_rate", "window", "hop", "silent",
"seconds" (see `SongScores`), and the sha256 of the files of "estimates" and "references", if
there are any. The folder is named by the split, so that museval's tools can read the tree.

`settings.json` in the parent folder identifies the evaluation.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.protocols import METRICS
from keras_mmdense.evaluation.scoring import SongScores
from keras_mmdense.utils.files import read_json, replacing

MAX_NAME = 200  # bytes; file systems hold 255, of which `replacing` takes some
FACTS = ("song", "sample_rate", "window", "hop", "silent", "seconds")


class Tracks:
    """Files of the scores of one system and split.

    Args:
        folder: The system's folder; created when the first track is written.
        split: Name of the subfolder.
        settings: JSON-serializable settings of the evaluation.

    Raises:
        InputError: If the folder contains scores of other settings.
    """

    def __init__(self, folder: Path, split: str, settings: Mapping[str, Any]):
        self._folder, self._split = Path(folder), split
        self._settings = json.loads(json.dumps(settings))
        path = self._folder / "settings.json"
        if path.exists() and (found := read_json(path)) != self._settings:
            differing = [
                f"{key} {found.get(key)!r}, now {self._settings.get(key)!r}"
                for key in {**self._settings, **found}
                if found.get(key) != self._settings.get(key)
            ]
            raise InputError(
                f"{path}: scores of other settings ({'; '.join(differing)}); choose another output "
                "folder or delete this one"
            )

    def read(
        self, song: str, stems: Sequence[str], digests: Callable[[], Mapping[str, str | None]]
    ) -> SongScores | None:
        """Read the scores of a song from an earlier run.

        Args:
            song: Name of the song.
            stems: Stems that must have been scored.
            digests: Returns the sha256 of its "estimates" and "references", if they are files.

        Returns:
            The scores, or None if the song, or one of the stems, has not been scored.

        Raises:
            InputError: If the file is damaged, or belongs to other estimates or references.
        """
        path = self._path(song)
        if not path.exists():
            return None
        content = read_json(path)
        try:
            for what, digest in digests().items():
                if content.get(what, digest) != digest:
                    raise InputError(f"{path}: scores of other {what} than the present ones")
            scores = _scores(content)
            if scores.name != song or not scores.frames:
                raise ValueError(f"scores of {scores.name!r}")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: not the scores of a track ({error!r})") from error
        return scores if set(stems) <= set(scores.frames) else None

    def write(self, scores: SongScores, digests: Mapping[str, str | None]) -> None:
        """Write the scores of a song atomically."""
        settings = self._folder / "settings.json"
        if not settings.exists():
            _write_json(settings, self._settings)
        facts = {"name": scores.name, **vars(scores)}
        content = {
            "targets": [_target(stem, scores) for stem in scores.frames],
            "song": scores.name,
            **{key: facts[key] for key in FACTS if key != "song"},
            **digests,
        }
        _write_json(self._path(scores.name), content)

    def _path(self, song: str) -> Path:
        name = f"{song}.json"
        if len(os.fsencode(name)) > MAX_NAME:
            digest = hashlib.sha256(os.fsencode(song)).hexdigest()[:8]
            short = os.fsencode(song)[: MAX_NAME - len(digest) - 6].decode(errors="ignore")
            name = f"{short}-{digest}.json"
        return self._folder / self._split / name


def _target(stem: str, scores: SongScores) -> dict[str, Any]:
    columns = {metric: scores.frames[stem][metric].tolist() for metric in METRICS}
    frames = [
        {
            "time": index * scores.hop,
            "duration": scores.window,
            "metrics": {metric: column[index] for metric, column in columns.items()},
        }
        for index in range(len(columns["SDR"]))
    ]
    return {"name": stem, "frames": frames}


def _scores(content: Mapping[str, Any]) -> SongScores:
    frames = {
        target["name"]: {
            metric: np.array([frame["metrics"][metric] for frame in target["frames"]], float)
            for metric in METRICS
        }
        for target in content["targets"]
    }
    facts = {key: content[key] for key in FACTS if key != "song"}
    return SongScores(name=content["song"], frames=frames, **facts)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
