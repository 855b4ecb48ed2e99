"""The scores of a system, a file a track in museval's schema, so that a run can be resumed.

`<folder>/<track>.json` is what `museval.TrackStore` writes, {"targets": [{"name", "frames":
[{"time", "duration", "metrics": {"SDR", "SIR", "ISR", "SAR"}}]}]}, but with all digits; as there,
NaN and Infinity are written as such. Beside it stand "song", "sample_rate", "window", "hop",
"silent", "seconds" (see `SongScores`) and "estimates", the sha256 of the estimates' files if they
came from files. With the split as the folder's name, museval's own tools read the tree.

`settings.json` in the folder above says what the scores belong to.
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
    """The files of one system and split.

    Args:
        folder: the system's folder; made when the first track is written.
        split: name of the folder in it.
        settings: what the scores belong to, as JSON can say it.

    Raises:
        InputError: the folder holds scores of other settings.
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
        self, song: str, stems: Sequence[str], digest: Callable[[str], str | None]
    ) -> SongScores | None:
        """Reads the scores of a song that was done before.

        Args:
            song: its name.
            stems: stems that must have been scored.
            digest: gives the sha256 of its estimates, if they come from files.

        Returns:
            The scores, or None if the song, or one of the stems, is still to be done.

        Raises:
            InputError: the file is damaged, or belongs to other estimates.
        """
        path = self._path(song)
        if not path.exists():
            return None
        content = read_json(path)
        try:
            if content["estimates"] != digest(song):
                raise InputError(f"{path}: scores of other estimates than those given now")
            scores = _scores(content)
            if scores.name != song or not scores.frames:
                raise ValueError(f"scores of {scores.name!r}")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: not the scores of a track ({error!r})") from error
        return scores if set(stems) <= set(scores.frames) else None

    def write(self, scores: SongScores, digest: str | None) -> None:
        """Writes the scores of a song, whole or not at all."""
        settings = self._folder / "settings.json"
        if not settings.exists():
            _write_json(settings, self._settings)
        facts = {"name": scores.name, **vars(scores)}
        content = {
            "targets": [_target(stem, scores) for stem in scores.frames],
            "song": scores.name,
            **{key: facts[key] for key in FACTS if key != "song"},
            "estimates": digest,
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
