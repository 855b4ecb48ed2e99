"""The fast BSSEval against museval, on real music and on signals whose scores are known."""

import numpy as np
import pytest

from keras_mmdense.data.songs import find_songs
from keras_mmdense.evaluation import bsseval as module
from keras_mmdense.evaluation import museval_engine as reference
from keras_mmdense.evaluation.bsseval import bsseval
from keras_mmdense.evaluation.oracles import ideal_ratio_mask
from keras_mmdense.evaluation.protocols import COMPUTED

PLAIN = "Clara Berry And Wooldog - Waltz For My Victims"
EQUAL = "Fergessen - Nos Palpitants"  # the bass has two equal channels: a singular Gram matrix
DRUMS, BASS, OTHER, VOCALS = range(4)


@pytest.fixture(scope="module")
def clips(musdb_root):
    """Two seconds of two songs, in 16 bits as musdb reads them: (stems, samples, channels)."""
    stempeg = pytest.importorskip("stempeg")
    read = {}
    for name in (PLAIN, EQUAL):
        path = str(musdb_root / "train" / f"{name}.stem.mp4")
        read[name] = stempeg.read_stems(path, start=1, duration=2, ffmpeg_format="s16le")[0][1:]
    return read


def noise(sources=2, samples=8000, channels=2, seed=0):
    return np.random.default_rng(seed).standard_normal((sources, samples, channels))


def leaky(signals, leak=0.2):
    """Estimates that hold some of the other sources, an echo of their own and an artifact."""
    echo = 0.3 * np.roll(signals, 40, axis=1)
    return signals + leak * signals[::-1] + echo + 0.01 * noise(*signals.shape, seed=9)


def masked(signals):
    estimates = ideal_ratio_mask(dict(enumerate(signals)))
    return np.stack(list(estimates.values()))


def assert_equal(references, estimates, window, hop, atol=1e-4):
    scores = bsseval(references, estimates, window, hop)
    expected = reference.bsseval(references, estimates, window, hop)
    assert list(scores) == list(expected) == list(COMPUTED)
    for metric in COMPUTED:
        assert scores[metric].dtype == np.float64
        np.testing.assert_allclose(scores[metric], expected[metric], rtol=0, atol=atol)
    return scores


def test_equals_museval_on_four_stems(clips):
    stems = clips[PLAIN]
    scores = assert_equal(stems, masked(stems), 44100, 44100)
    assert scores["SDR"].shape == (4, 2) and np.median(scores["SDR"]) > 3


def test_equals_museval_on_equal_channels(clips):
    stems = clips[EQUAL][[BASS, VOCALS]]
    np.testing.assert_array_equal(stems[0, :, 0], stems[0, :, 1])
    scores = assert_equal(stems, leaky(stems), 44100, 44100)
    assert np.isfinite(scores["SAR"]).all()


@pytest.mark.parametrize(("window", "hop"), [(44100, 22050), (30000, 44100), (10**6, 44100)])
def test_equals_museval_in_mono_at_other_windows(clips, window, hop):
    stems = clips[PLAIN][[DRUMS, VOCALS]].mean(axis=2)
    scores = assert_equal(list(stems), list(leaky(stems[..., None])[..., 0]), window, hop)
    assert scores["SDR"].shape[1] == 1 + max(0, stems.shape[1] - window) // hop


def test_long_frames_are_projected_in_parts(clips, monkeypatch):
    stems = clips[PLAIN][[OTHER, VOCALS]]
    whole = bsseval(stems, leaky(stems), 100_000, 20_000)
    monkeypatch.setattr(module, "LONGEST", 7000)
    parts = bsseval(stems, leaky(stems), 100_000, 20_000)
    for metric in COMPUTED:
        np.testing.assert_allclose(parts[metric], whole[metric], rtol=0, atol=1e-8)


@pytest.mark.parametrize(("sources", "channels"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1)])
def test_equals_museval_on_noise(sources, channels):
    signals = noise(sources, 9001, channels)
    scores = assert_equal(signals, leaky(signals), 4000, 2500, atol=1e-7)
    assert (scores["SIR"] == np.inf).all() == (sources == 1)


def test_loudness_does_not_matter():
    signals = noise()
    loud, quiet = (bsseval(signals * g, leaky(signals) * g, 4000, 4000) for g in (1, 1e-6))
    for metric in COMPUTED:
        np.testing.assert_allclose(quiet[metric], loud[metric], rtol=0, atol=1e-7)


def test_float32_scores_as_float64():
    signals = noise().astype(np.float32)
    estimates = leaky(signals).astype(np.float32)
    single = bsseval(signals, estimates, 4000, 4000)
    double = bsseval(np.float64(signals), np.float64(estimates), 4000, 4000)
    for metric in COMPUTED:
        np.testing.assert_allclose(single[metric], double[metric], rtol=0, atol=1e-10)


def test_noise_of_known_level():
    signals = noise(2, 200_000, 1)
    scores = bsseval(signals, signals + 0.1 * signals[::-1], 100_000, 100_000)
    np.testing.assert_allclose(scores["SDR"], 20, atol=0.1)
    np.testing.assert_allclose(scores["SIR"], 20, atol=0.2)
    assert scores["SAR"].min() > 200


@pytest.mark.parametrize("delay", [1, 100, 511])
def test_a_delay_within_the_filters_is_no_artifact(delay):
    signals = noise()
    signals[:, -600:] = 0
    scores = bsseval(signals, np.roll(signals, delay, axis=1), 8000, 8000)
    assert scores["SDR"].max() < 0 and scores["ISR"].max() < 0
    assert scores["SIR"].min() > 200 and scores["SAR"].min() > 200
    beyond = bsseval(signals, np.roll(signals, 512, axis=1), 8000, 8000)
    assert beyond["SAR"].max() < 20


def test_an_exact_estimate_scores_infinity():
    signals = noise()
    estimates = leaky(signals)
    estimates[0] = signals[0]
    scores = bsseval(signals, estimates, 4000, 4000)
    expected = reference.bsseval(signals, estimates, 4000, 4000)
    for metric in COMPUTED:
        np.testing.assert_allclose(scores[metric][1], expected[metric][1], rtol=0, atol=1e-7)
        # What is left of the other errors is rounding, in both.
        assert min(scores[metric][0].min(), expected[metric][0].min()) > 250
    assert (scores["SDR"][0] == np.inf).all() and (expected["SDR"][0] == np.inf).all()


def test_a_frame_with_a_silent_signal_is_not_scored():
    signals = noise(2, 12000)
    estimates = leaky(signals)
    signals[0, :4000] = 0
    estimates[1, 8000:, 0], estimates[1, 8000:, 1] = 0.5, -0.5
    scores = assert_equal(signals, estimates, 4000, 4000, atol=1e-7)
    for metric in COMPUTED:
        np.testing.assert_array_equal(np.isnan(scores[metric]), [[True, False, True]] * 2)


def test_input_is_left_alone():
    signals = noise()
    estimates = leaky(signals)
    copies = signals.copy(), estimates.copy()
    bsseval(signals, estimates, 4000, 4000)
    np.testing.assert_array_equal(signals, copies[0])
    np.testing.assert_array_equal(estimates, copies[1])


@pytest.mark.parametrize("engine", [bsseval, reference.bsseval])
def test_refuses_silence_and_other_shapes(engine):
    signals, opposite = noise(), noise()
    opposite[1, :, 1] = -opposite[1, :, 0]
    for references, estimates in [
        (signals * [[[1]], [[0]]], signals),
        (signals, signals * [[[0]], [[1]]]),
        (opposite, signals),
        (signals, signals[:, :-1]),
        (signals, signals[:1]),
        ([signals[0], signals[1, :-1]], list(signals)),
    ]:
        with pytest.raises(ValueError, match="silent|shape"):
            engine(references, estimates, 4000, 4000)


def test_refuses_nothing_and_what_is_not_finite():
    signals = noise()
    with pytest.raises(ValueError, match="one shape"):
        bsseval([], [], 4000, 4000)
    with pytest.raises(ValueError, match="finite"):
        bsseval(signals, np.where(signals > 3, np.nan, signals), 4000, 4000)


@pytest.mark.slow
@pytest.mark.parametrize("system", ["network", "mask"])
def test_equals_museval_on_all_validation_clips(musdb_root, system):
    from keras_mmdense.separation.separator import Separator

    separator = Separator()
    for song in find_songs(musdb_root, "valid"):
        stems = song.stems()
        if system == "network":
            estimates = separator.separate(np.sum(list(stems.values()), axis=0), song.sample_rate)
        else:
            estimates = ideal_ratio_mask(stems)
        pairs = [(stems[name], estimates[name]) for name in stems]
        assert_equal(*zip(*pairs, strict=True), song.sample_rate, song.sample_rate)
