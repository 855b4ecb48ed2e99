"""The functions that a Keras user calls."""

import dataclasses
import zipfile

import keras
import numpy as np
import pytest

import keras_mmdense
from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained.catalog import DEFAULT, list_weights, read_card
from keras_mmdense.pretrained.network_card import NetworkCard

FNN = dataclasses.replace(TABLES["fnn"], hidden=4, n_fft=128, hop=64)
X = np.random.default_rng(0).random((1, 9, 65, 1), "float32")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network of two targets, built, and the folder it was saved to."""
    folder = tmp_path_factory.mktemp("saved") / "net"
    model = keras_mmdense.build(FNN, targets=("drums", "bass"), channels=1, output="magnitude")
    card = NetworkCard("CC0-1.0", "CC0 1.0")
    keras_mmdense.save_model(model, folder, card=card)
    return model, folder


def test_every_public_name_is_there():
    for name in keras_mmdense.__all__:
        assert getattr(keras_mmdense, name).__doc__, name
    assert issubclass(keras_mmdense.InputError, ValueError)
    for name in keras_mmdense.layers.__all__:
        assert issubclass(getattr(keras_mmdense.layers, name), keras.layers.Layer)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = keras_mmdense.nothing


def test_trained_networks_are_listed():
    assert keras_mmdense.list_models(pretrained=True) == list_weights()
    assert DEFAULT in list_weights()
    assert keras_mmdense.list_models("nothing*", pretrained=True) == []


def test_a_saved_network_loads(saved):
    model, folder = saved
    np.testing.assert_array_equal(keras_mmdense.load_model(folder)(X), model(X))
    assert read_card(folder).terms == "CC0 1.0"


def test_weights_tell_targets_and_sizes(saved):
    model, folder = saved
    for weights in (folder, folder / "network.weights.h5"):
        sizes = {} if weights == folder else {"targets": ("drums", "bass"), "channels": 1}
        built = keras_mmdense.build(FNN, weights=weights, output="magnitude", **sizes)
        assert built.name == "fnn_drums_bass"
        np.testing.assert_array_equal(built(X), model(X))


def test_a_loaded_network_is_saved_again(saved, tmp_path):
    model, folder = saved
    keras_mmdense.save_model(keras_mmdense.load_model(folder), tmp_path / "again")
    np.testing.assert_array_equal(keras_mmdense.load_model(tmp_path / "again")(X), model(X))


def test_a_keras_file_loads_and_needs_its_table_to_be_saved(saved, tmp_path):
    model, _ = saved
    model.save(tmp_path / "net.keras")
    loaded = keras_mmdense.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded(X), model(X))
    with pytest.raises(ValueError, match="fnn_drums_bass.*give config and targets"):
        keras_mmdense.save_model(loaded, tmp_path / "net")
    with pytest.raises(ValueError, match="must be given together"):
        keras_mmdense.save_model(loaded, tmp_path / "net", targets=("drums", "bass"))
    with pytest.raises(ValueError, match=r"is not the network fnn for \('drums',\)"):
        keras_mmdense.save_model(loaded, tmp_path / "net", config=FNN, targets=("drums",))
    assert not (tmp_path / "net").exists()
    config = dataclasses.replace(FNN, output="magnitude")
    targets = ("drums", "bass")
    keras_mmdense.save_model(loaded, tmp_path / "net", config=config, targets=targets)
    np.testing.assert_array_equal(keras_mmdense.load_model(tmp_path / "net")(X), model(X))


def test_wrong_weights_are_named(saved, tmp_path):
    _, folder = saved
    with pytest.raises(keras_mmdense.InputError, match="for the targets drums, bass, received"):
        keras_mmdense.build(FNN, weights=folder, targets=("bass", "drums"))
    with pytest.raises(keras_mmdense.InputError, match=f"nothing: no weights.*{DEFAULT}"):
        keras_mmdense.build(FNN, weights="nothing")
    with pytest.raises(keras_mmdense.InputError, match="weights of another network"):
        keras_mmdense.build(dataclasses.replace(FNN, hidden=5), weights=folder)


def test_files_that_do_not_load_are_named(tmp_path):
    (tmp_path / "words.keras").write_text("words")
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as file:
        file.writestr("x", "words")
    for name, message in {
        "missing.keras": "no such file",
        "words.keras": "Keras cannot load it",
        "empty.keras": "Keras cannot load it",
        "folder": "no trained network",
    }.items():
        with pytest.raises(keras_mmdense.InputError, match=f"{name}: {message}"):
            keras_mmdense.load_model(tmp_path / name)
