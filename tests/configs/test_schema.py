import dataclasses
import json
import math

import pytest

from keras_mmdense.configs import (
    TABLES,
    BlendConfig,
    BLSTMConfig,
    Branch,
    Conv,
    DenseBlock,
    DenseNetConfig,
    FNNConfig,
    ModelConfig,
)
from keras_mmdense.configs.tables import BLEND, BLSTM, FNN, MDENSENET, MMDENSELSTM, MMDENSENET
from keras_mmdense.errors import InputError


def branch(**changes):
    fields = {
        "name": "full",
        "first": Conv((3, 3), 4),
        "blocks": (DenseBlock(2, 1),) * 3,
        "scales": 1,
    }
    return Branch(**{**fields, "kernel": (3, 3), **changes})


def table(*branches, **changes):
    fields = {
        "name": "mine",
        "family": "mmdensenet",
        "branches": branches,
        "final": DenseBlock(2, 1),
    }
    return DenseNetConfig(**{**fields, **changes})


@pytest.mark.parametrize("name", TABLES)
def test_dict_and_json_round_trip(name, tmp_path):
    config = TABLES[name]
    assert ModelConfig.from_dict(config.to_dict()) == config
    config.to_json(tmp_path / "table.json")
    assert ModelConfig.from_json(tmp_path / "table.json") == config
    assert config.name == name


def test_tables_are_the_papers():
    low, high, full = MMDENSENET.branches
    sizes = [[(block.k, block.layers) for block in s.blocks] for s in (low, high, full)]
    assert sizes[0] == [(14, 4)] + [(16, 4)] * 6
    assert sizes[1] == [(10, 3)] * 7
    assert sizes[2] == [(6, 2)] * 3 + [(6, 4)] + [(6, 2)] * 3
    assert [s.first for s in (low, high, full)] == [
        Conv((3, 4), 32),
        Conv((3, 3), 32),
        Conv((3, 4), 32),
    ]
    assert [(b.k, b.layers) for b in MDENSENET.branches[0].blocks] == [(12, 4)] * 7


def test_mmdenselstm_is_the_one_of_2018():
    low, middle, high, full = MMDENSELSTM.branches
    hz_per_bin = MMDENSELSTM.sample_rate / MMDENSELSTM.n_fft
    assert [round(branch.band[0] / hz_per_bin) for branch in (low, middle, high)] == [0, 380, 1024]
    assert {(b.k, b.layers) for b in low.blocks} == {(14, 5)}
    assert {(b.k, b.layers) for b in middle.blocks} == {(4, 4)}
    assert {(b.k, b.layers) for b in high.blocks} == {(2, 1)}
    assert [(b.k, b.layers) for b in full.blocks] == [(7, n) for n in (3, 3, 4, 5, 5, 5, 4, 3, 3)]
    cells = {
        s.name: {i: 2 * b.cells for i, b in enumerate(s.blocks, 1) if b.cells}
        for s in MMDENSELSTM.branches
    }
    assert cells == {
        "low": {4: 128, 6: 128},
        "middle": {4: 32},
        "high": {4: 8},
        "full": {5: 128, 8: 128},
    }


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
    branches = [branch(name=f"band{i}", band=band) for i, band in enumerate(bands)]
    with pytest.raises(ValueError, match="tile"):
        table(*branches)


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
        (
            {"band": (0, "x")},
            "edge of a band in Hz must be a number from 0 to .*'x'",
        ),
        ({"band": (0, math.nan)}, "edge of a band in Hz must be .* received nan"),
        ({"scales": True}, "scales must be a whole number from 0 to 16, received True"),
        ({"tdf": 2.5}, "tdf must be a whole number"),
    ],
)
def test_bad_streams_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        branch(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"family": "resnet"},
        {"output": "phase"},
        {"bn_momentum": 1.0},
        {"sample_rate": 0},
        {"hop": -5},
        {"n_fft": 2047},
        {"hop": 2048},
        {"family": "blstm"},
        {"sample_rate": 2**31},
        {"n_fft": 2**40},
        {"hop": "1024"},
        {"bn_momentum": "x"},
    ],
)
def test_bad_tables_are_named(change):
    with pytest.raises(ValueError, match=str(next(iter(change.values())))):
        table(branch(band=(0, None)), **change)


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (FNNConfig, {"context": 0}),
        (FNNConfig, {"layers": 1}),
        (FNNConfig, {"context": 10**9}),
        (BLSTMConfig, {"band_limit": math.inf}),
        (FNNConfig, {"hidden": -1}),
        (FNNConfig, {"band_limit": 0}),
        (FNNConfig, {"family": "blstm"}),
        (BLSTMConfig, {"cells": 0}),
        (BLSTMConfig, {"layers": 2.5}),
        (BLSTMConfig, {"band_limit": "16 kHz"}),
        (BLSTMConfig, {"output": "phase"}),
    ],
)
def test_bad_baselines_are_named(config, change):
    (field, value), *_ = change.items()
    with pytest.raises(ValueError, match=f"{field} .*received {value!r}"):
        config(name="mine", **change)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_shares_lie_between_0_and_1(share):
    with pytest.raises(ValueError, match=f"share must lie.*received {share}"):
        dataclasses.replace(BLEND, share=share)


@pytest.mark.parametrize("field", ["n_fft", "hop", "sample_rate"])
def test_a_blend_has_one_front_end(field):
    other = dataclasses.replace(BLSTM, **{field: 2 * getattr(BLSTM, field)})
    with pytest.raises(ValueError, match=f"{field} of blstm must be.*{getattr(other, field)}"):
        BlendConfig(name="mine", n_fft=4096, first=FNN, second=other)


def test_tables_of_a_kind_without_family_cannot_be_made():
    with pytest.raises(ValueError, match="family"):
        ModelConfig(name="mine", family="mmdensenet")


def test_one_stream_families_take_one_full_band():
    with pytest.raises(ValueError, match="one full-band branch"):
        table(branch(band=(0, None)), family="mdensenet")


@pytest.mark.parametrize(("size", "value"), [("k", 0), ("layers", 1.5), ("cells", -1)])
def test_bad_blocks_are_named(size, value):
    with pytest.raises(
        ValueError, match=f"{size} must be a whole number from 1 up, received {value}"
    ):
        DenseBlock(**{"k": 2, "layers": 2, size: value})


def test_unknown_and_missing_fields_are_named():
    fields = MMDENSENET.to_dict()
    with pytest.raises(ValueError, match="color"):
        ModelConfig.from_dict({**fields, "color": 1})
    with pytest.raises(ValueError, match="family must be one of .*resnet"):
        ModelConfig.from_dict({**fields, "family": "resnet"})
    with pytest.raises(ValueError, match="cells"):
        ModelConfig.from_dict({**BLEND.to_dict(), "second": {**FNN.to_dict(), "cells": 3}})
    for name in (5, None, "a b"):
        branches = [{**fields["branches"][0], "name": name}]
        with pytest.raises(ValueError, match="isidentifier|identifier"):
            ModelConfig.from_dict({**fields, "branches": branches})
    del fields["final"]
    with pytest.raises(ValueError, match="final"):
        ModelConfig.from_dict(fields)


@pytest.mark.parametrize("text", ["not json", "[1, 2]", "[" * 100_000, json.dumps({"name": "x"})])
def test_broken_json_is_a_value_error(text, tmp_path):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"table.json: .*(JSON|lacks)"):
        ModelConfig.from_json(path)
