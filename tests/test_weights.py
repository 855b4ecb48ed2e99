import json
import shutil

import numpy as np
import pytest

import keras_mmdense
from keras_mmdense import weights
from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError


@pytest.fixture
def saved(tmp_path):
    network = weights.Network(TABLES["tiny"], ("vocals", "drums"), bins=65)
    model = network.build()
    weights.save_network(tmp_path / "net", network, model)
    return tmp_path / "net", network, model


def test_save_and_load_give_equal_output(saved):
    folder, network, model = saved
    loaded_network, loaded = weights.load_network(folder)
    x = np.random.default_rng(0).random((1, 9, 65, 2), "float32")
    assert loaded_network == network
    np.testing.assert_array_equal(loaded(x), model(x))
    assert sorted(path.name for path in folder.iterdir()) == ["network.json", "network.weights.h5"]


def test_changed_weights_are_refused(saved):
    folder, network, model = saved
    other = network.build()
    other.save_weights(folder / "network.weights.h5")
    with pytest.raises(InputError, match="sha256"):
        weights.load_network(folder)


@pytest.mark.parametrize("text", ["no json", "[]", "{}", json.dumps({"sha256": "", "table": {}})])
def test_broken_descriptions_are_named(saved, text):
    folder, *_ = saved
    (folder / "network.json").write_text(text)
    with pytest.raises(InputError, match="network.json: not the description"):
        weights.load_network(folder)


def test_missing_weights_are_named(saved):
    folder, *_ = saved
    (folder / "network.weights.h5").unlink()
    with pytest.raises(InputError, match="network.weights.h5: no such file"):
        weights.load_network(folder)


@pytest.mark.parametrize(
    "other",
    [{"name": "mdensenet"}, {"sources": ("vocals",)}, {"channels": 1}],
)
def test_weights_of_another_network_are_refused(saved, other):
    folder, *_ = saved
    arguments = {"name": "tiny", "sources": ("a", "b"), "bins": 65, **other}
    with pytest.raises(InputError, match="another network"):
        keras_mmdense.build(**arguments, weights=folder / "network.weights.h5")


def test_fewer_layers_than_the_file_are_refused(saved, tmp_path):
    """Keras alone would load a longer file's first layers without a word."""
    larger = keras_mmdense.build("mmdensenet", bins=65)
    larger.save_weights(tmp_path / "larger.weights.h5")
    with pytest.raises(InputError, match="another network"):
        weights.load_weights(saved[2], tmp_path / "larger.weights.h5")


@pytest.mark.parametrize(
    ("name", "message"), [("missing.weights.h5", "no such"), ("text.weights.h5", "not a")]
)
def test_unreadable_weights_are_named(saved, tmp_path, name, message):
    (tmp_path / "text.weights.h5").write_text("words")
    with pytest.raises(InputError, match=f"{name}: {message}"):
        weights.load_weights(saved[2], tmp_path / name)


def test_unknown_networks_are_named():
    with pytest.raises(InputError, match=r"nothing: no trained network.*mmdensenet_4stems"):
        weights.load_network("nothing")


@pytest.mark.parametrize("name", weights.list_weights())
def test_shipped_weights_load_and_carry_a_card(name):
    network, model = weights.load_network(name)
    assert np.isfinite(model(np.ones((1, 9, network.bins, network.channels), "float32"))).all()
    described, licence = weights.describe(name)
    assert described == network and licence
    card = (weights.SHIPPED / name / "CARD.md").read_text()
    for heading in ("Training data", "Command", "Seed", "Commit", "Scores"):
        assert heading in card


def test_the_shipped_folder_is_self_contained(tmp_path):
    name = weights.list_weights()[0]
    shutil.copytree(weights.SHIPPED / name, tmp_path / "copy")
    assert weights.load_network(tmp_path / "copy")[0] == weights.load_network(name)[0]
