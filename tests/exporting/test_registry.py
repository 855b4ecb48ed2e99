"""Every network of the zoo as a SavedModel and as a TFLite file, or refused in one line."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mmdense
from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.exporting.saved_model.export import export_saved_model
from keras_mmdense.exporting.source import load_source
from keras_mmdense.exporting.tflite.export import export_tflite
from keras_mmdense.pretrained.networks import NetworkSpec, save_network
from keras_mmdense.separation.separator import Separator

HOP = 128  # of the small tables
WINDOW = 64
SOUND = (0.3 * np.random.default_rng(0).standard_normal((20_000, 2))).astype("float32")


@pytest.fixture(scope="module", params=sorted(TABLES))
def folder(request, small_table, tmp_path_factory):
    keras.utils.set_random_seed(1)
    spec = NetworkSpec(small_table(TABLES[request.param]), ("vocals", "drums"))
    folder = tmp_path_factory.mktemp("networks") / request.param
    save_network(folder, spec, spec.build())
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    return load_source([folder], WINDOW).separator.separate(SOUND, 44100)


def exported(export, *arguments, **options):
    """Whether an export works; a refusal must be one line that names the network."""
    try:
        export(*arguments, **options)
    except InputError as error:
        assert "\n" not in str(error) and arguments[0][0].name in str(error)
        return False
    return True


def assert_equal(stems, expected):
    assert set(stems) == set(expected)
    for name, stem in stems.items():
        np.testing.assert_allclose(stem, expected[name], atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_every_network_exports_to_saved_model(folder, expected, tmp_path):
    if exported(export_saved_model, [folder], tmp_path / "1", window=WINDOW):
        signature = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
        stems = signature(waveform=tf.constant(SOUND[None]))
        assert_equal({name: stem[0].numpy() for name, stem in stems.items()}, expected)
        assert_equal(Separator.from_pretrained(tmp_path / "1").separate(SOUND, 44100), expected)


@pytest.mark.slow
def test_every_network_exports_to_tflite(folder, expected, tmp_path):
    seconds = WINDOW * HOP / 44100
    if exported(export_tflite, [folder], tmp_path / "a.tflite", seconds=seconds):
        found = Separator.from_pretrained(tmp_path / "a.tflite").separate(SOUND, 44100)
        assert_equal(found, expected)


def test_the_zoo_is_covered():
    assert sorted(TABLES) == keras_mmdense.list_models()
