import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.blending import blend
from keras_mmdense.pretrained.networks import NetworkSpec, load_network, save_network

FNN = dataclasses.replace(TABLES["fnn"], hidden=8, n_fft=512, hop=256)
BLSTM = dataclasses.replace(TABLES["blstm"], cells=4, n_fft=512, hop=256)


def save(folder, table, targets=("vocals", "drums"), **sizes):
    network = NetworkSpec(table, targets, **sizes)
    save_network(folder, network, network.build())
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return save(folder / "fnn", FNN), save(folder / "blstm", BLSTM)


def run(folder, x):
    return np.array(load_network(folder)[1](x))


def test_a_blend_is_the_weighted_sum_of_its_parts(trained, tmp_path):
    fnn, blstm = trained
    network = blend(fnn, blstm, tmp_path / "blend", share=0.3)
    loaded, model = load_network(tmp_path / "blend")
    assert loaded == network and network.targets == ("vocals", "drums")
    assert network.config.share == 0.3 and network.bins == 257
    x = np.random.default_rng(0).random((2, 9, 257, 2), "float32")
    expected = 0.3 * run(fnn, x) + 0.7 * run(blstm, x)
    np.testing.assert_allclose(model(x), expected, atol=1e-6)
    assert np.abs(run(fnn, x) - run(blstm, x)).max() > 0.01


def test_two_networks_of_one_kind_blend(trained, tmp_path):
    fnn, _ = trained
    other = save(tmp_path / "other", FNN)
    blend(fnn, other, tmp_path / "blend", share=0.5)
    x = np.random.default_rng(0).random((1, 5, 257, 2), "float32")
    expected = (run(fnn, x) + run(other, x)) / 2
    np.testing.assert_allclose(run(tmp_path / "blend", x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, {"targets": ("drums", "vocals")}, "differ in targets: .*drums, vocals"),
        ({"hop": 128}, {}, "differ in hop: 256 and 128"),
        ({"sample_rate": 22050}, {}, "differ in sample rate: 44100 and 22050"),
        ({}, {"bins": 129}, "differ in bins: 257 and 129"),
        ({}, {"channels": 1}, "differ in channels: 2 and 1"),
    ],
)
def test_networks_that_do_not_go_together(trained, tmp_path, changes, arguments, message):
    other = save(tmp_path / "other", dataclasses.replace(BLSTM, **changes), **arguments)
    with pytest.raises(InputError, match=message):
        blend(trained[0], other, tmp_path / "blend")
    assert not (tmp_path / "blend").exists()


def test_a_network_is_not_replaced(trained, tmp_path):
    fnn, blstm = trained
    before = {path: path.read_bytes() for path in fnn.iterdir()}
    with pytest.raises(InputError, match="holds network.json already; choose another folder"):
        blend(fnn, blstm, fnn)
    assert {path: path.read_bytes() for path in fnn.iterdir()} == before
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds run.json already"):
        blend(fnn, blstm, tmp_path)


@pytest.mark.parametrize("share", [-0.5, 2])
def test_bad_shares_are_named(trained, tmp_path, share):
    with pytest.raises(InputError, match=f"share of the first .*received {share}"):
        blend(*trained, tmp_path / "blend", share)


def test_the_command_writes_a_network(trained, tmp_path):
    code = "import keras_mmdense.cli.blend; from keras_mmdense.cli import main; main()"
    run = [sys.executable, "-c", code, "blend", *map(str, trained), "-o", str(tmp_path / "both")]
    env = {**os.environ, "COLUMNS": "120"}
    result = subprocess.run(run, capture_output=True, text=True, check=False, env=env)
    assert result.returncode == 0, result.stderr
    assert "0.25 fnn + 0.75 blstm" in result.stdout
    assert load_network(tmp_path / "both")[0].config.share == 0.25
