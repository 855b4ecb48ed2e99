import keras
import numpy as np
import pytest
import soundfile

from keras_mmdense.audio import reading, writing
from keras_mmdense.audio.output import Output
from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.layers.wiener import WienerFilter
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.separation.graph import separation_model
from keras_mmdense.separation.separator import Separator
from keras_mmdense.separation.stepwise_graph import STEP_FRAMES
from keras_mmdense.stems import STEMS, rest_name


def noise(samples, channels=2):
    return (0.1 * np.random.default_rng(0).standard_normal((samples, channels))).astype("float32")


def random_network(targets=STEMS, seed=0, **sizes):
    keras.utils.set_random_seed(seed)
    network = NetworkSpec(TABLES["tiny"], tuple(targets), **sizes)
    return network, network.build()


@pytest.fixture(scope="module")
def separator():
    return Separator.from_networks([random_network()])


@pytest.mark.parametrize("samples", [1, 100, 44100, STEP_FRAMES * 1024 - 1, STEP_FRAMES * 1024 + 1])
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


def test_windows_leave_no_seam(real_mixture):
    """In many windows or in one, with the Wiener filter: the same stems."""
    pair = random_network()
    whole = Separator.from_networks([pair], window=1024).separate(real_mixture, 44100)
    parts = Separator.from_networks([pair], window=32).separate(real_mixture, 44100)
    for name, stem in whole.items():
        assert np.sum((stem - parts[name]) ** 2) < 1e-6 * np.sum(stem**2)
        seams = np.add.outer(np.arange(1, 15) * 32 * 1024, np.arange(-512, 512)).ravel()
        error = np.sum((stem - parts[name])[seams] ** 2)
        assert error < 1e-6 * np.sum(stem[seams] ** 2)


def test_an_identity_network_gives_the_song_in_windows_as_at_once(real_mixture):
    """Through the STFT and the Wiener filter: 1e-5 of the whole, and of the song itself."""
    network = NetworkSpec(TABLES["tiny"], ("vocals",))
    mixture = keras.Input((None, network.bins, network.channels))
    identity = keras.Model(mixture, keras.layers.Identity()(mixture), name="identity")
    whole = Separator.from_networks([(network, identity)], window=1024).separate(
        real_mixture, 44100
    )
    parts = Separator.from_networks([(network, identity)], window=32).separate(real_mixture, 44100)
    for name, song in (("vocals", real_mixture), ("accompaniment", 0 * real_mixture)):
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-5)
        np.testing.assert_allclose(parts[name], song, atol=1e-5)


def test_stream_gives_what_separate_gives(real_mixture):
    separator = Separator.from_networks([random_network()], window=64)
    expected = separator.separate(real_mixture[:300000], 44100)
    blocks = np.split(real_mixture[:300000], [7, 5000, 5001, 200000])
    parts = list(separator.stream(iter(blocks), 44100))
    assert len(parts) > 2
    for name, stem in expected.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), stem)


def test_stream_gives_the_first_samples_after_its_latency(real_mixture):
    separator = Separator.from_networks([random_network()], window=32)
    taken = 0

    def blocks():
        nonlocal taken
        for start in range(0, len(real_mixture), 1024):
            taken = start + 1024
            yield real_mixture[start:taken]

    first = next(separator.stream(blocks(), 44100))
    assert taken == separator.latency
    assert len(first["vocals"]) == 32 * 1024


def test_channels_go_in_pairs(separator):
    x = noise(20000, 5)
    stems = separator.separate(x, 44100)
    for channels in ([0, 1], [2, 3], [4]):
        pair = separator.separate(x[:, channels], 44100)
        for name in STEMS:
            np.testing.assert_allclose(stems[name][:, channels], pair[name], atol=1e-6)


def test_only_needed_networks_run():
    pairs = [random_network((stem,), seed) for seed, stem in enumerate(STEMS)]
    separator = Separator.from_networks(pairs, stems=("vocals",))
    assert separator.stems == ("vocals",)
    inner = [layer for layer in separator.graph.layers if isinstance(layer, keras.Model)]
    assert len(inner) == 1
    alone = Separator.from_networks(pairs[:1]).separate(noise(9000), 44100)
    assert list(separator.separate(noise(9000), 44100)) == ["vocals"]
    np.testing.assert_allclose(
        separator.separate(noise(9000), 44100)["vocals"], alone["vocals"], atol=1e-6
    )


def test_one_network_a_stem_equals_the_networks_side_by_side():
    pairs = [random_network((stem,), seed) for seed, stem in enumerate(STEMS)]
    x = noise(30000)
    stems = Separator.from_networks(pairs).separate(x, 44100)
    swapped = Separator.from_networks(pairs[::-1]).separate(x, 44100)
    assert list(swapped) == list(STEMS)[::-1]
    for stem in STEMS:
        np.testing.assert_allclose(swapped[stem], stems[stem], atol=1e-6)


@pytest.mark.parametrize(
    ("targets", "rest"),
    [(("vocals",), "accompaniment"), (("drums", "bass"), "remainder"), (STEMS, None)],
)
def test_what_is_left_becomes_a_stem(targets, rest):
    assert rest_name(targets) == rest
    x = noise(20000)
    stems = Separator.from_networks([random_network(targets)]).separate(x, 44100)
    assert list(stems) == [*targets, *([rest] if rest else [])]
    np.testing.assert_allclose(sum(stems.values()), x, atol=1e-3)


def test_every_window_has_one_shape_and_progress_is_reported(separator, monkeypatch):
    shapes, calls = set(), []
    start = separator.engine.start

    def watched():
        run = start()
        return lambda x: shapes.add(x.shape) or run(x)

    monkeypatch.setattr(separator.engine, "start", watched)
    card, samples = separator.card, 300 * 1024
    for count in (1, 999, samples):
        separator.separate(noise(count), 44100, lambda done, total: calls.append((done, total)))
    late = [(step * card.window - card.delay, samples) for step in range(1, 4)]
    ready = [call for call in late if call[0] > 0]
    assert calls == [(1, 1), (999, 999), *ready, (samples, samples)]
    assert shapes == {(1, card.window, 2)}


def test_calls_of_any_length_trace_once(monkeypatch):
    separator = Separator.from_networks([random_network()], window=32)
    traces = []
    call = WienerFilter.call
    monkeypatch.setattr(WienerFilter, "call", lambda *args: traces.append(1) or call(*args))
    for samples in [5000, 1, *range(1000, 50000, 1000)]:
        separator.separate(noise(samples), 44100)
    assert len(traces) == 1


def test_a_bad_sample_in_a_file_is_named_and_leaves_nothing(separator, tmp_path):
    x = noise(5000)
    x[4321, 1] = np.nan
    soundfile.write(tmp_path / "a.wav", x, 44100, "FLOAT")
    with pytest.raises(InputError, match=r"a\.wav: sample 4321 is not a finite number"):
        separator.separate_file(tmp_path / "a.wav", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_input_is_not_changed(separator):
    x = noise(5000)
    kept = x.copy()
    separator.separate(x, 44100)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros((0, 2)), "no samples"),
        (np.zeros((10, 0)), r"received shape \(10, 0\)"),
        (np.zeros((2, 10, 2)), r"received shape \(2, 10, 2\)"),
        (np.array([[0.0], [0.0], [np.nan]]), "sample 2"),
        (np.array([0.0, np.inf]), "sample 1"),
    ],
)
def test_bad_waveforms_are_named(separator, waveform, message):
    with pytest.raises(InputError, match=message):
        separator.separate(waveform, 44100)


def test_integers_give_what_their_floats_give(separator):
    x = np.rint(noise(5000) * 2**15).astype("int16")
    expected = separator.separate(x / np.float32(2**15), 44100)
    for name, stem in separator.separate(x, 44100).items():
        np.testing.assert_array_equal(stem, expected[name])
    with pytest.raises(InputError, match="float, int16 or int32, received int64"):
        separator.separate(x.astype("int64"), 44100)


@pytest.mark.parametrize("stems", [("vocals", "vocals"), ()])
def test_stems_are_some_and_distinct(stems):
    with pytest.raises(InputError, match="stems must be distinct names"):
        Separator.from_networks([random_network()], stems=stems)


def test_channels_and_samples_are_not_mixed_up_for_long(separator):
    with pytest.raises(InputError, match="expected from 1 to 64 channels .* received 88200"):
        separator.separate(np.zeros((2, 88200), "float32"), 44100)


def test_a_long_file_of_a_low_rate_is_read_in_short_blocks(separator, tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(separator.engine, "start", lambda: sizes.append)
    monkeypatch.setattr(reading.AudioFile, "blocks", lambda _, size: sizes.append(size) or iter(()))
    soundfile.write(tmp_path / "a.wav", np.zeros((5000, 2)), 1000)
    with pytest.raises(InputError, match="no samples"):
        separator.separate_file(tmp_path / "a.wav", tmp_path / "out")
    assert sizes == [separator.card.window * 1000 // 44100]
    soundfile.write(tmp_path / "a.wav", np.zeros((5000, 2)), 1)
    with pytest.raises(InputError, match=r"a\.wav: the sample rate must lie between 1000"):
        separator.separate_file(tmp_path / "a.wav", tmp_path / "out")


def test_a_peak_that_no_float_holds_is_refused(separator, tmp_path):
    writing.write(tmp_path / "a.wav", noise(5000) * np.float32(1e25), 44100)
    with pytest.raises(
        InputError, match=r"a\.wav: the network returned numbers that are not finite"
    ):
        separator.separate_file(tmp_path / "a.wav", tmp_path / "out", Output("mp3"))
    assert not (tmp_path / "out").exists()


def test_networks_must_agree_and_not_repeat():
    one = random_network(("vocals",))
    with pytest.raises(InputError, match="same stem"):
        Separator.from_networks([one, one])
    with pytest.raises(InputError, match="differ"):
        Separator.from_networks([one, random_network(("drums",), bins=513)])


@pytest.mark.parametrize("window", [0, -8, 12])
def test_bad_windows_are_named(window):
    with pytest.raises(InputError, match=f"multiple of 8 frames, received {window}"):
        Separator.from_networks([random_network()], window=window)


def test_custom_weights(tmp_path):
    network, model = random_network(("vocals",))
    model.save_weights(tmp_path / "a.weights.h5")
    own = Separator("tiny", stems=("vocals",), weights=tmp_path / "a.weights.h5")
    x = noise(9000)
    expected = Separator.from_networks([(network, model)]).separate(x, 44100)
    np.testing.assert_allclose(own.separate(x, 44100)["vocals"], expected["vocals"], atol=1e-6)


def test_the_graph_takes_batches_of_any_length():
    network, model = random_network()
    card = Separator.from_networks([(network, model)], window=64).card
    graph = separation_model([(network, model)], card)
    x = np.stack([noise(4567), 0.5 * noise(4567)])
    seen = np.pad(x, ((0, 0), (card.context, card.context), (0, 0)))
    y = np.array(graph(seen))
    assert y.shape == (2, 4, 4567, 2)
    np.testing.assert_allclose(y[1:], graph(seen[1:]), atol=1e-5)
    np.testing.assert_allclose(y.sum(axis=1), x, atol=1e-3)
