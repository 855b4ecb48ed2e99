import dataclasses
import json

import pytest

from keras_mmdense.configs import TABLES, Conv, Dense, ModelConfig, Stream
from keras_mmdense.configs.tables import MDENSENET, MMDENSENET


def stream(**changes):
    fields = {"name": "full", "first": Conv((3, 3), 4), "blocks": (Dense(2, 1),) * 3, "scales": 1}
    return Stream(**{**fields, "kernel": (3, 3), **changes})


def table(*streams, **changes):
    fields = {"name": "mine", "family": "mmdensenet", "streams": streams, "final": Dense(2, 1)}
    return ModelConfig(**{**fields, **changes})


@pytest.mark.parametrize("name", TABLES)
def test_dict_and_json_round_trip(name, tmp_path):
    config = TABLES[name]
    assert ModelConfig.from_dict(config.to_dict()) == config
    config.to_json(tmp_path / "table.json")
    assert ModelConfig.from_json(tmp_path / "table.json") == config
    assert config.name == name


def test_tables_are_the_papers():
    low, high, full = MMDENSENET.streams
    sizes = [[(block.k, block.layers) for block in s.blocks] for s in (low, high, full)]
    assert sizes[0] == [(14, 4)] + [(16, 4)] * 6
    assert sizes[1] == [(10, 3)] * 7
    assert sizes[2] == [(6, 2)] * 3 + [(6, 4)] + [(6, 2)] * 3
    assert [s.first for s in (low, high, full)] == [
        Conv((3, 4), 32),
        Conv((3, 3), 32),
        Conv((3, 4), 32),
    ]
    assert [(b.k, b.layers) for b in MDENSENET.streams[0].blocks] == [(12, 4)] * 7


def test_tables_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        MMDENSENET.output = "magnitude"


@pytest.mark.parametrize(
    "bands",
    [
        [(0, 4000), (5000, None)],
        [(0, 4000)],
        [(100, None)],
        [(0, None), (4000, None)],
        [(4000, None), (0, 4000)],
        [],
    ],
)
def test_bands_must_tile(bands):
    streams = [stream(name=f"band{i}", band=band) for i, band in enumerate(bands)]
    with pytest.raises(ValueError, match="tile"):
        table(*streams)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scales": 2}, "needs 5 dense blocks, received 3"),
        ({"scales": -1}, "received -1"),
        ({"blocks": ()}, "no dense blocks"),
        ({"kernel": (3,)}, r"received \(3,\)"),
        ({"kernel": (3, 0)}, r"received \(3, 0\)"),
        ({"name": "not a name"}, "not a name"),
        ({"band": (0, 1, 2)}, r"received \(0, 1, 2\)"),
    ],
)
def test_bad_streams_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        stream(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"family": "resnet"},
        {"output": "phase"},
        {"bn_momentum": 1.0},
        {"sample_rate": 0},
        {"hop": -5},
    ],
)
def test_bad_tables_are_named(change):
    with pytest.raises(ValueError, match=str(next(iter(change.values())))):
        table(stream(band=(0, None)), **change)


def test_one_stream_families_take_one_full_band():
    with pytest.raises(ValueError, match="one full-band stream"):
        table(stream(band=(0, None)), family="mdensenet")


@pytest.mark.parametrize(("size", "value"), [("k", 0), ("layers", 1.5)])
def test_bad_blocks_are_named(size, value):
    with pytest.raises(ValueError, match=f"{size} must be a positive integer, received {value}"):
        Dense(**{"k": 2, "layers": 2, size: value})


def test_unknown_and_missing_fields_are_named():
    fields = MMDENSENET.to_dict()
    with pytest.raises(ValueError, match="colour"):
        ModelConfig.from_dict({**fields, "colour": 1})
    del fields["final"]
    with pytest.raises(ValueError, match="final"):
        ModelConfig.from_dict(fields)


@pytest.mark.parametrize("text", ["not json", "[1, 2]", json.dumps({"name": "x"})])
def test_broken_json_is_a_value_error(text, tmp_path):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"JSON|lacks"):
        ModelConfig.from_json(path)
