import keras
import museval
import numpy as np
import pytest

from keras_mmdense.data.cache import CachedSong
from keras_mmdense.data.pipeline import Batches, RemixedChunks
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.stems import STEMS
from keras_mmdense.training.losses import MagnitudeMSE
from keras_mmdense.training.validation import Validator, median_sdr

SAMPLES = 8 * 1024


def noise(songs=5, samples=20000):
    rng = np.random.default_rng(0)
    audio = 0.1 * rng.standard_normal((songs, 4, samples, 2), "float32")
    return [CachedSong(str(number), stems) for number, stems in enumerate(audio)]


@pytest.fixture(scope="module")
def validator(small):
    keras.utils.set_random_seed(0)
    network = NetworkSpec(small, ("vocals", "other"))
    return Validator(network, noise(2), SAMPLES, 2, MagnitudeMSE(2048, 1024))


def test_the_sdr_is_that_of_museval():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((2, 12500, 2))
    guess = truth + [[[0.3]], [[0.6]]] * rng.standard_normal((2, 12500, 2))
    expected, *_ = museval.evaluate(truth, guess, win=4000, hop=4000)
    found = [median_sdr(s, e, 4000) for s, e in zip(truth, guess, strict=True)]
    np.testing.assert_allclose(found, np.median(expected, axis=1), atol=1e-6)


def test_silent_frames_do_not_count():
    s = np.ones((40, 2))
    s[10:20] = 0
    e = 0.9 * s
    e[30:] = 0
    assert median_sdr(s, e, 10) == pytest.approx(20)
    assert np.isnan(median_sdr(0 * s, e, 10))
    assert np.isnan(median_sdr(s[:9], e[:9], 10))


def test_statistics_are_those_of_all_batches_together(validator):
    """One batch norm layer looks at the first convolution's maps: compared with numpy's moments."""
    batches = Batches(RemixedChunks(noise(), STEMS, SAMPLES, 0), 2)
    weights = [value.numpy() for value in validator.model.trainable_variables]
    validator.average(weights, batches, 3)
    name = validator.norms[0].name
    inside = keras.Model(validator.model.input, validator.model.get_layer(name).input)
    magnitude = keras.Model(
        validator._from_waveform.input, validator._from_waveform.layers[-2].output
    )
    maps = [inside(magnitude(batches[number][0])).numpy() for number in range(3)]
    maps = np.concatenate(maps).reshape(-1, maps[0].shape[-1])
    np.testing.assert_allclose(
        validator.norms[0].moving_mean, maps.mean(axis=0), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(validator.norms[0].moving_variance, maps.var(axis=0), rtol=1e-3)


def test_the_loss_is_the_mean_over_all_chunks(validator):
    loss, values = MagnitudeMSE(2048, 1024, reduction=None), []
    for number in range(len(validator._batches)):
        mixture, targets = validator._batches[number]
        values.extend(np.asarray(loss(targets, validator._from_waveform(mixture))))
    assert len(values) == 2 * 3
    assert validator.loss() == pytest.approx(np.mean(values), rel=1e-5)


def test_the_sdr_of_half_the_mixture_of_four_equal_stems_is_zero(validator, monkeypatch):
    """Two sources with open masks share the mixture: s - x / 2 has the power of s."""
    trained = validator.spec.build()
    output = trained.get_layer("output_conv")
    output.kernel.assign(np.zeros(output.kernel.shape))
    output.bias.assign(np.full(output.bias.shape, 30.0))
    validator.take(trained)
    monkeypatch.setattr(validator, "songs", noise(2, samples=2 * 44100))
    scores = validator.sdr()
    assert scores == {name: pytest.approx(0.0, abs=0.3) for name in ("vocals", "other")}
