import keras
import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.models.margins import without_margin
from keras_mmdense.models.receptive_field import context_frames
from keras_mmdense.pretrained.networks import NetworkSpec

BINS = 129


def trained(name, targets):
    """A small-band network whose batch norms have statistics, as a trained one's."""
    keras.utils.set_random_seed(2)
    model = NetworkSpec(TABLES[name], targets, bins=BINS).build()
    rng = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(weight + rng.uniform(0, 0.1, weight.shape))
    return model


def magnitudes(frames):
    return np.random.default_rng(0).random((1, frames, BINS, 2), "float32")


@pytest.mark.parametrize("targets", [("vocals",), ("vocals", "drums")])
@pytest.mark.parametrize(
    "name", ["mmdensenet", "mdensenet", "mdensenet_cws", "tiny", "densenet", "fnn"]
)
def test_the_frames_that_are_kept_are_the_same(name, targets):
    model, config = trained(name, targets), TABLES[name]
    margin = context_frames(config) + 1
    x = magnitudes(2 * margin + 21)
    expected = np.array(model(x, training=False))
    expected = expected.reshape(1, -1, *expected.shape[-3:])[:, :, margin:-margin]
    found = np.array(without_margin(model, config, margin)(x)).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * expected.max())


@pytest.mark.parametrize("margin", [1, 9, 16])
def test_a_margin_smaller_than_the_reach(margin):
    """Frames inside are the same, whatever is cut before them."""
    model, config = trained("tiny", ("vocals",)), TABLES["tiny"]
    x = magnitudes(203)
    expected = np.array(model(x, training=False))[:, margin:-margin]
    found = np.array(without_margin(model, config, margin)(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * expected.max())


def test_an_lstm_sees_all_frames():
    model, config = trained("mmdenselstm", ("vocals",)), TABLES["mmdenselstm"]
    x = magnitudes(60)
    expected = np.array(model(x, training=False))[:, 16:-16]
    found = np.array(without_margin(model, config, 16)(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


def test_less_is_computed_on_the_way_up(monkeypatch):
    model, config = trained("tiny", ("vocals",)), TABLES["tiny"]
    margin = context_frames(config)
    x, frames = magnitudes(2 * margin + 32), {}

    def recording(layer, inputs):
        frames[layer.name] = inputs.shape[1]
        return convolve(layer, inputs)

    convolve = keras.layers.Conv2D.call
    cut = without_margin(model, config, margin)
    monkeypatch.setattr(keras.layers.Conv2D, "call", recording)
    cut(x)
    assert frames["low_first_conv"] == 2 * margin + 32
    finest = [name for name in frames if "_up2_" in name or name.startswith(("final", "output"))]
    assert len(finest) > 3
    assert all(frames[name] <= 32 + 2 * 8 for name in finest)
