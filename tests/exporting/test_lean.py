import keras
import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.exporting.lean import lean
from keras_mmdense.models.receptive_field import context_frames
from keras_mmdense.weights import Network

BINS = 129


def trained(name, sources):
    """A small-band network whose batch norms have statistics, as a trained one's."""
    keras.utils.set_random_seed(2)
    model = Network(TABLES[name], sources, bins=BINS).build()
    rng = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(weight + rng.uniform(0, 0.1, weight.shape))
    return model


def magnitudes(frames):
    return np.random.default_rng(0).random((1, frames, BINS, 2), "float32")


@pytest.mark.parametrize("sources", [("vocals",), ("vocals", "drums")])
@pytest.mark.parametrize("name", ["mmdensenet", "mdensenet", "tiny", "densenet", "fnn"])
def test_a_lean_network_gives_the_same_without_its_margin(name, sources):
    model, config = trained(name, sources), TABLES[name]
    margin = context_frames(config) + 1
    x = magnitudes(2 * margin + 21)
    expected = np.array(model(x, training=False))
    expected = expected.reshape(1, -1, *expected.shape[-3:])[:, :, margin:-margin]
    found = np.array(lean(model, config, margin)(x)).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * expected.max())


@pytest.mark.parametrize("margin", [1, 9, 16])
def test_a_margin_smaller_than_the_reach(margin):
    """Frames inside are the same, whatever is cut before them."""
    model, config = trained("tiny", ("vocals",)), TABLES["tiny"]
    x = magnitudes(203)
    expected = np.array(model(x, training=False))[:, margin:-margin]
    found = np.array(lean(model, config, margin)(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * expected.max())


def test_an_lstm_sees_all_frames():
    model, config = trained("mmdenselstm", ("vocals",)), TABLES["mmdenselstm"]
    x = magnitudes(60)
    expected = np.array(model(x, training=False))[:, 16:-16]
    found = np.array(lean(model, config, 16)(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


def test_less_is_computed_on_the_way_up():
    model, config = trained("tiny", ("vocals",)), TABLES["tiny"]
    margin = context_frames(config)
    layer = lean(model, config, margin).layers
    last = [x for x in layer if "_up" in x.name and x.name.endswith("_conv")][-1]
    head = next(x for x in layer if x.name == "output_conv")
    frames = keras.Model(layer[0].output, [last.output, head.output])(magnitudes(2 * margin + 32))
    assert [x.shape[1] for x in frames] < [2 * margin + 32] * 2
    assert all(x.shape[1] <= 32 + 2 * 12 for x in frames)


def test_without_a_margin_only_batch_norms_go():
    model, config = trained("tiny", ("vocals",)), TABLES["tiny"]
    copy = lean(model, config)
    assert not any(isinstance(x, keras.layers.BatchNormalization) for x in copy.layers)
    assert len(copy.layers) == len(model.layers)
    x = magnitudes(21)
    np.testing.assert_allclose(copy(x), model(x, training=False), rtol=0, atol=2e-6)
