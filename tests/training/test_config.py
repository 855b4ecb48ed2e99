import dataclasses
import json

import pytest

from keras_mmdense.data.datasets import DatasetSpec
from keras_mmdense.errors import InputError
from keras_mmdense.training.config import TrainConfig


def test_settings_round_trip_through_json(tmp_path):
    config = TrainConfig(
        (DatasetSpec(tmp_path / "a", weight=2.0), DatasetSpec(tmp_path / "b", weight=1.0)),
        targets=("drums", "bass"),
        augment=("gain",),
        clip=0.5,
        average=False,
    )
    fields = json.loads(json.dumps(config.to_dict()))
    assert TrainConfig.from_dict(fields).to_dict() == fields
    assert dataclasses.asdict(TrainConfig.from_dict(fields))["augment"] == ("gain",)


def test_roots_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fields = TrainConfig.from_dict({"datasets": [{"root": "songs"}]}).to_dict()
    assert fields["datasets"][0]["root"] == str(tmp_path / "songs")


@pytest.mark.parametrize(
    "fields",
    [
        {"epochs": 0},
        {"epochs": 2.5},
        {"batch": True},
        {"frames": 1},
        {"learning_rate": -1e-3},
        {"learning_rate": "fast"},
        {"schedule": "linear"},
        {"precision": "float16"},
        {"targets": []},
        {"targets": ["bass", "bass"]},
        {"targets": "bass"},
        {"augment": ["noise"]},
        {"average": 1},
        {"seed": -1},
        {"seed": 2**32},
        {"learning_rate": float("nan")},
        {"clip": float("inf")},
        {"batch": 4, "devices": 3},
    ],
)
def test_values_that_are_not_allowed_are_named(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        TrainConfig.from_dict({"datasets": [{"root": "songs"}], **fields})


@pytest.mark.parametrize("datasets", [None, [], {}, "songs", [{}]])
def test_data_sets_are_needed(datasets):
    with pytest.raises(InputError, match="data ?set"):
        TrainConfig.from_dict({"datasets": datasets})
