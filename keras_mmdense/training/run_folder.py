"""The folder of a run: its settings, its state, and whether it can be resumed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_mmdense.configs import ModelConfig
from keras_mmdense.data.cache import CachedSong
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.training.config import TrainConfig
from keras_mmdense.training.model import network_of
from keras_mmdense.utils.files import read_json, replacing

CHECKPOINT = "checkpoint.npz"


def write_run(folder: Path, run: dict[str, Any], state: dict[str, Any]) -> None:
    """Write `run.json`: settings, epochs done, seconds of training and seconds of audio seen."""
    callbacks = state.get("callbacks", {})
    rows = callbacks.get("Curve", {}).get("rows", [])
    done = {
        "epochs_done": state.get("epochs_done", 0),
        "finished": state.get("finished", False),
        "training_seconds": round(callbacks.get("Clock", {}).get("seconds", 0.0), 1),
        "audio_seconds": rows[-1]["audio_seconds"] if rows else 0.0,
    }
    with replacing(folder / "run.json") as partial:
        partial.write_text(json.dumps({**run, **done}, indent=2) + "\n")


def find_run(output: str | Path, config: TrainConfig) -> dict[str, Any]:
    """Find a run in a folder that settings can resume.

    Args:
        output: The folder.
        config: The settings.

    Returns:
        The contents of its `run.json`, such as "epochs_done" and "finished"; empty if there is
        none.

    Raises:
        InputError: If it contains a run of other settings, a network without a run, or a finished
            run without a network.
    """
    output = Path(output)
    if not (output / CHECKPOINT).is_file():
        if (output / "network.json").exists():
            raise InputError(f"{output}: holds a network without a checkpoint; choose another")
        return {}
    found = read_json(output / "run.json")
    try:
        if "table" in found:  # normalized to the present field names
            found["table"] = ModelConfig.from_dict(found["table"]).to_dict()
    except ValueError as error:
        raise InputError(f"{output / 'run.json'}: not the settings of a run: {error}") from error
    for name, value in describe_run(config, network_of(config)).items():
        if found.get(name) != value and name != "keras":
            raise InputError(
                f"{output}: holds a run of other settings: {name} is {_short(found.get(name))}, "
                f"not {_short(value)}; choose another folder"
            )
    if found.get("finished"):
        check_finished(output)
    return found


def check_finished(output: str | Path) -> None:
    """Check that a finished run has left a network.

    Args:
        output: The run's folder.

    Raises:
        InputError: If it has not, as its loss was not a number.
    """
    if not (Path(output) / "network.json").is_file():
        raise InputError(
            f"{output}: the loss was not a number; choose another folder and a lower learning rate"
        )


def describe_run(config: TrainConfig, spec: NetworkSpec) -> dict[str, Any]:
    backend = {"backend": keras.backend.backend(), "keras": keras.__version__}
    return {**config.to_dict(), "table": spec.config.to_dict(), **backend}


def songs_digest(songs: Mapping[str, Sequence[CachedSong]]) -> str:
    """Identify songs by split, name, length, weight and, if they are in a cache, by their files.

    Args:
        songs: Songs by split.

    Returns:
        Hexadecimal digits.
    """
    facts = []
    for split in sorted(songs):
        for song in songs[split]:
            file = Path(getattr(song.audio, "filename", "")).name
            facts.append((split, song.name, song.samples, song.weight, file))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 100 else f"{text[:97]}..."
