import keras
import numpy as np
import pytest

from keras_mmdense.chunking import Windows
from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.separator import Separator, separation_model, song_name
from keras_mmdense.stems import STEMS, rest_name
from keras_mmdense.weights import Network


def noise(samples, channels=2):
    return (0.1 * np.random.default_rng(0).standard_normal((samples, channels))).astype("float32")


def random_network(sources=STEMS, seed=0, **sizes):
    keras.utils.set_random_seed(seed)
    network = Network(TABLES["tiny"], tuple(sources), **sizes)
    return network, network.build()


@pytest.fixture(scope="module")
def separator():
    return Separator.of([random_network()])


@pytest.mark.parametrize("samples", [1, 100, 44100, 512 * 1024 - 1, 512 * 1024 + 1])
def test_stems_have_the_length_of_the_song_and_sum_to_it(separator, samples):
    x = noise(samples)
    stems = separator.separate(x, 44100)
    assert tuple(stems) == STEMS
    assert all(stem.shape == x.shape and stem.dtype == np.float32 for stem in stems.values())
    error = sum(stems.values()) - x
    assert 10 * np.log10(np.sum(x**2) / np.sum(error**2)) > 40


@pytest.mark.parametrize("shape", [(5000,), (5000, 1)])
def test_mono_in_mono_out(separator, shape):
    stems = separator.separate(noise(5000, 1).reshape(shape), 44100)
    assert all(stem.shape == shape for stem in stems.values())


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
@pytest.mark.parametrize("samples", [7, 10001])
def test_other_rates_keep_length(separator, rate, samples):
    stems = separator.separate(noise(samples), rate)
    assert {stem.shape for stem in stems.values()} == {(samples, 2)}


def test_silence_gives_finite_silence(separator):
    for stem in separator.separate(np.zeros((3000, 2)), 44100).values():
        assert not stem.any()


def test_windows_leave_no_seam_in_the_magnitudes(real_mixture):
    """In several windows or in one, the networks see the same (without the Wiener filter)."""
    network, model = random_network()
    separator = Separator.of([(network, model)])
    separator._model = _masked(network, model)
    whole = separator._run(real_mixture, None)
    separator._windows = Windows(32 * 1024, separator._windows.context)
    parts = separator._run(real_mixture, None)
    assert separator._windows.count(len(real_mixture)) > 10
    assert 10 * np.log10(np.sum(whole**2) / np.sum((whole - parts) ** 2)) > 60


def _masked(network, model):
    """The separation graph with the mixture's phase in place of the Wiener filter."""
    from keras import ops

    from keras_mmdense.layers.stft import STFT, InverseSTFT, Magnitude

    waveform = keras.Input((None, 2))
    real, imag = STFT()(waveform)
    mixture = Magnitude()([real, imag])
    gain = model(mixture) / ops.expand_dims(ops.maximum(mixture, 1e-9), 1)
    parts = [gain * ops.expand_dims(part, 1) for part in (real, imag)]
    return keras.Model(waveform, InverseSTFT()([*parts, waveform]))


def test_one_network_a_stem_equals_the_networks_side_by_side():
    pairs = [random_network((stem,), seed) for seed, stem in enumerate(STEMS)]
    x = noise(30000)
    stems = Separator.of(pairs).separate(x, 44100)
    swapped = Separator.of(pairs[::-1]).separate(x, 44100)
    assert list(swapped) == list(STEMS)[::-1]
    for stem in STEMS:
        np.testing.assert_allclose(swapped[stem], stems[stem], atol=1e-6)


@pytest.mark.parametrize(
    ("sources", "rest"),
    [(("vocals",), "accompaniment"), (("drums", "bass"), "remainder"), (STEMS, None)],
)
def test_what_is_left_becomes_a_stem(sources, rest):
    assert rest_name(sources) == rest
    x = noise(20000)
    stems = Separator.of([random_network(sources)]).separate(x, 44100)
    assert list(stems) == [*sources, *([rest] if rest else [])]
    np.testing.assert_allclose(sum(stems.values()), x, atol=1e-3)


def test_every_window_has_one_shape_and_is_reported(separator, monkeypatch):
    shapes, calls = set(), []
    predict = separator._model.predict_on_batch
    monkeypatch.setattr(
        separator._model, "predict_on_batch", lambda x: shapes.add(x.shape) or predict(x)
    )
    for samples in (1, 999, 600 * 1024):
        separator.separate(noise(samples), 44100, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 1), (1, 1), (1, 2), (2, 2)]
    assert len(shapes) == 1


def test_the_input_is_not_changed(separator):
    x = noise(5000)
    kept = x.copy()
    separator.separate(x, 44100)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros((0, 2)), "no samples"),
        (np.zeros((10, 3)), "received 3"),
        (np.zeros((2, 10, 2)), r"received shape \(2, 10, 2\)"),
        (np.array([[0.0], [0.0], [np.nan]]), "sample 2"),
        (np.array([0.0, np.inf]), "sample 1"),
    ],
)
def test_bad_waveforms_are_named(separator, waveform, message):
    with pytest.raises(InputError, match=message):
        separator.separate(waveform, 44100)


def test_networks_must_agree_and_not_repeat():
    one = random_network(("vocals",))
    with pytest.raises(InputError, match="same stem"):
        Separator.of([one, one])
    with pytest.raises(InputError, match="differ"):
        Separator.of([one, random_network(("drums",), bins=513)])


def test_weights_of_ones_own(tmp_path):
    network, model = random_network(("vocals",))
    model.save_weights(tmp_path / "a.weights.h5")
    own = Separator("tiny", stems=("vocals",), weights=tmp_path / "a.weights.h5")
    x = noise(9000)
    expected = Separator.of([(network, model)]).separate(x, 44100)
    np.testing.assert_allclose(own.separate(x, 44100)["vocals"], expected["vocals"], atol=1e-6)


def test_the_graph_takes_batches_of_any_length():
    network, model = random_network()
    graph = separation_model([model], network, rest=False)
    x = np.stack([noise(4567), 0.5 * noise(4567)])
    y = np.array(graph(x))
    assert y.shape == (2, 4, 4567, 2)
    np.testing.assert_allclose(y[1:], graph(x[1:]), atol=1e-5)
    np.testing.assert_allclose(y.sum(axis=1), x, atol=1e-3)


@pytest.mark.parametrize("name", ["song.wav", "song.stem.mp4", "song"])
def test_song_name(name, tmp_path):
    assert song_name(tmp_path / name) == "song"
