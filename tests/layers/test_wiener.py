import norbert
import numpy as np
import pytest

from keras_mmdense.layers.sources import LastSource
from keras_mmdense.layers.stft import STFT, InverseSTFT
from keras_mmdense.layers.wiener import WienerFilter


def ours(magnitudes, mixture, reach=None):
    inputs = (magnitudes, mixture.real, mixture.imag)
    real, imag = WienerFilter(reach)([x[None].astype("float32") for x in inputs])
    return np.array(real)[0] + 1j * np.array(imag)[0]


def reference(magnitudes, mixture, eps):
    """Norbert's filter in double precision, with v from the magnitudes and not their squares.

    Too small an eps makes an inverse in norbert inaccurate.
    """
    scale = max(1, np.abs(mixture).max() / 10)
    x = mixture.astype("complex128") / scale
    estimates = magnitudes / np.maximum(np.abs(mixture), 1e-30) * x
    models = [norbert.get_local_gaussian_model(y, eps) for y in estimates]
    covariances = np.stack([covariance[0] for _, covariance in models], axis=-1)
    v = np.stack([np.mean(np.abs(y) * np.abs(x), axis=-1) for y in estimates], axis=-1)
    total = norbert.get_mix_model(v, covariances) + np.sqrt(eps) * np.eye(x.shape[-1])
    inverse = np.linalg.inv(total)
    sources = range(len(estimates))
    gains = [norbert.wiener_gain(v[..., j], covariances[..., j], inverse) for j in sources]
    return scale * np.stack([norbert.apply_filter(x, gain) for gain in gains])


def spectrum(stems):
    real, imag = (np.array(part) for part in STFT()(stems))
    return real + 1j * imag


@pytest.fixture
def random_case():
    rng = np.random.default_rng(0)
    mixture = 40 * (rng.standard_normal((30, 20, 2)) + 1j * rng.standard_normal((30, 20, 2)))
    return 40 * np.abs(rng.standard_normal((4, 30, 20, 2))), mixture


@pytest.fixture
def real_case(real_stems):
    sources = spectrum(np.stack(list(real_stems.values())))
    wrong = np.random.default_rng(0).uniform(0.5, 1.5, sources.shape)
    return np.abs(sources) * wrong, sources.sum(axis=0)


@pytest.mark.parametrize("case", ["random_case", "real_case"])
def test_equals_norbert(case, request):
    magnitudes, mixture = request.getfixturevalue(case)
    expected = reference(magnitudes, mixture, eps=1e-20)
    error = np.abs(ours(magnitudes, mixture) - expected).max()
    assert error < 1e-4 * np.abs(expected).max()


def test_equals_norbert_where_left_and_right_are_the_same(real_case):
    magnitudes, mixture = (np.repeat(x[..., :1], 2, axis=-1) for x in real_case)
    expected = reference(magnitudes, mixture, eps=1e-18)
    error = np.abs(ours(magnitudes, mixture) - expected).max()
    assert error < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("gain", [1e-3, 1.0, 1e3])
def test_sources_sum_to_the_mixture_at_any_level(real_case, gain):
    magnitudes, mixture = (gain * x for x in real_case)
    error = ours(magnitudes, mixture).sum(axis=0) - mixture
    assert np.sum(np.abs(error) ** 2) < 1e-8 * np.sum(np.abs(mixture) ** 2)


def test_mono_falls_back_to_the_ratio_mask(random_case):
    magnitudes, mixture = (x[..., :1] for x in random_case)
    expected = magnitudes / magnitudes.sum(axis=0) * mixture
    np.testing.assert_allclose(ours(magnitudes, mixture), expected, rtol=1e-4, atol=1e-4)


def test_hard_panned_music_sums_to_the_mixture(real_case):
    magnitudes, mixture = (x * np.array([1, 0]) for x in real_case)
    error = ours(magnitudes, mixture).sum(axis=0) - mixture
    assert np.sum(np.abs(error) ** 2) < 1e-8 * np.sum(np.abs(mixture) ** 2)


def test_a_far_reach_is_the_sum_over_all_frames(random_case):
    np.testing.assert_allclose(ours(*random_case, reach=32), ours(*random_case), atol=1e-3)


def test_a_frame_sees_its_reach_and_no_more(real_case):
    magnitudes, mixture = real_case
    whole = ours(magnitudes, mixture, reach=24)
    part = ours(magnitudes[:, 40:240], mixture[40:240], reach=24)
    np.testing.assert_allclose(part[:, 24:-32], whole[:, 64:208], atol=1e-3)
    assert np.abs(part[:, :8] - whole[:, 40:48]).max() > 0.1


@pytest.mark.parametrize("reach", [0, -8, 12])
def test_a_bad_reach_is_named(reach):
    with pytest.raises(ValueError, match=str(reach)):
        WienerFilter(reach)


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_stays_silence(channels):
    silence = np.zeros((8, 9, channels), "complex64")
    assert not ours(np.ones((3, 8, 9, channels)), silence).any()
    assert not ours(np.zeros((3, 8, 9, channels)), silence).any()


def test_batch_entries_do_not_see_one_another(random_case):
    magnitudes, mixture = random_case
    both = [np.stack([x, 2 * x[..., ::-1]]) for x in (magnitudes, mixture.real, mixture.imag)]
    real, _ = WienerFilter()([x.astype("float32") for x in both])
    np.testing.assert_allclose(real[0], ours(magnitudes, mixture).real, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_last_source_is_what_the_others_leave(real_stems, channels):
    """By subtraction of waveforms, the same as through filter and inverse STFT."""
    stems = np.stack(list(real_stems.values()))[..., :channels]
    real, imag = (np.array(part) for part in STFT()(stems))
    inputs = np.hypot(real, imag)[None], real.sum(axis=0)[None], imag.sum(axis=0)[None]
    mixture, inverse = stems.sum(axis=0)[None], InverseSTFT()
    expected = inverse([*WienerFilter()(inputs), mixture])
    fewer = inverse([*WienerFilter(last=False)(inputs), mixture])
    found = LastSource()([fewer, mixture])
    assert fewer.shape[1] == len(stems) - 1
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.array(found).sum(axis=1), mixture, atol=1e-6)


def test_more_than_two_channels_are_refused():
    with pytest.raises(ValueError, match="received 3"):
        ours(np.ones((2, 4, 5, 3)), np.ones((4, 5, 3), "complex64"))
