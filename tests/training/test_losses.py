import dataclasses

import keras
import numpy as np
import pytest
import scipy.signal

from keras_mmdense.configs import TABLES
from keras_mmdense.layers.stft import STFT
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.stems import STEMS
from keras_mmdense.training.losses import LOSSES, ComplexSNR, MagnitudeL1, RelativeMSE
from keras_mmdense.training.model import from_waveform

N_FFT, HOP = 512, 256


def spectrogram(waveforms):
    """(batch, sources, frames, bins, 2 * channels) of scipy."""
    x = np.moveaxis(waveforms, -1, -2)
    window = scipy.signal.get_window("hann", N_FFT)
    _, _, z = scipy.signal.stft(x, nperseg=N_FFT, noverlap=N_FFT - HOP, window=window)
    z = np.moveaxis(z, (2, 3, 4), (4, 3, 2)) * window.sum()
    return np.concatenate([z.real, z.imag], axis=-1).astype("float32")


@pytest.fixture(scope="module")
def stems():
    return 0.1 * np.random.default_rng(0).standard_normal((2, 4, 10 * HOP, 2)).astype("float32")


def test_the_snr_is_that_of_numpy_for_each_source(stems):
    noise = 0.02 * np.random.default_rng(1).standard_normal(stems.shape)
    noise[:, 1] *= 3
    power = (stems**2).mean(axis=(2, 3)), (noise**2).mean(axis=(2, 3))
    expected = -10 * np.log10(power[0] / power[1]).mean(axis=1)
    found = ComplexSNR(N_FFT, HOP, reduction=None)(stems, spectrogram(stems + noise))
    np.testing.assert_allclose(found, expected, atol=0.25)


def test_the_snr_does_not_depend_on_the_level_and_saturates(stems):
    loss = ComplexSNR(N_FFT, HOP)
    quiet, loud = (float(loss(a * stems, spectrogram(0.7 * a * stems))) for a in (0.3, 1))
    assert quiet == pytest.approx(loud, abs=0.01)
    assert float(loss(stems, spectrogram(stems))) == pytest.approx(-30, abs=0.1)
    assert np.isfinite(float(loss(0 * stems, spectrogram(0 * stems))))


def test_the_relative_error_is_that_of_all_sources_of_each_example(stems):
    stems = stems * np.array([1, 0.1, 1, 1], "float32")[:, None, None]
    noise = 0.02 * np.random.default_rng(1).standard_normal(stems.shape)
    noise[1] *= 2
    expected = (noise**2).sum(axis=(1, 2, 3)) / (stems**2).sum(axis=(1, 2, 3))
    loss = RelativeMSE(N_FFT, HOP, reduction=None)
    for level in (0.2, 1):
        found = loss(level * stems, spectrogram(level * (stems + noise)))
        np.testing.assert_allclose(found, expected, rtol=0.03)
    silence = loss(0 * stems, spectrogram(1e-3 * stems / np.std(stems)))
    assert np.isfinite(np.array(silence)).all()


def test_the_relative_error_of_one_target_is_that_of_two_sources(stems):
    rest = stems[:, 1:].sum(axis=1, keepdims=True)
    noise = 0.02 * np.random.default_rng(1).standard_normal(rest.shape).astype("float32")
    both = np.concatenate([stems[:, :1] + noise, rest - noise], axis=1)
    loss = RelativeMSE(N_FFT, HOP, reduction=None)
    expected = loss(np.concatenate([stems[:, :1], rest], axis=1), spectrogram(both))
    np.testing.assert_allclose(loss(stems[:, :1], spectrogram(both)), expected, rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_targets_that_are_recorded_together_are_learned_together(name, stems):
    loss = LOSSES[name](N_FFT, HOP, reduction=None)
    z = spectrogram(stems + 0.1)
    estimate = np.hypot(z[..., :2], z[..., 2:]) if loss.domain == "magnitude" else z
    joined = stems.copy()
    joined[0, 1], joined[0, 2:] = stems[0, 1:].sum(axis=0), np.nan
    together, summed = stems.copy(), estimate.copy()
    together[0, 1], together[0, 2:] = joined[0, 1], 0
    summed[0, 1], summed[0, 2:] = estimate[0, 1:].sum(axis=0), 0
    np.testing.assert_allclose(loss(joined, estimate), loss(together, summed), rtol=1e-5)
    alone = loss(stems, estimate)
    assert loss(joined, estimate)[1] == alone[1] and loss(joined, estimate)[0] != alone[0]


def test_l1_is_that_of_numpy(stems):
    z = spectrogram(stems)
    magnitude = np.hypot(z[..., :2], z[..., 2:])
    found = MagnitudeL1(N_FFT, HOP, reduction=None)(stems, 0.5 * magnitude)
    np.testing.assert_allclose(found, 0.5 * magnitude.mean(axis=(1, 2, 3, 4)), rtol=1e-4)


@pytest.mark.parametrize("targets", [STEMS[:1], STEMS])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_a_network_and_loads_again(name, targets, stems, small):
    keras.utils.set_random_seed(0)
    network = NetworkSpec(dataclasses.replace(small, n_fft=N_FFT, hop=HOP), targets)
    inner, loss = network.build(), LOSSES[name](N_FFT, HOP)
    assert type(loss).from_config(loss.get_config()).hop == HOP
    model = from_waveform(inner, network, stems.shape[2], loss.domain)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    batch = stems.sum(axis=1), stems[:, : len(targets)]
    losses = [float(model.train_on_batch(*batch)) for _ in range(8)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_estimates_have_the_phase_of_the_mixture_and_those_that_share_it_sum_to_it(stems):
    table = dataclasses.replace(TABLES["tiny"], n_fft=N_FFT, hop=HOP)
    network = NetworkSpec(table, ("vocals", "drums", "bass", "other"))
    model, mixture = network.build(), stems.sum(axis=1)
    real, imag = (np.array(x)[:, None] for x in STFT(N_FFT, HOP)(mixture))
    found = np.array(from_waveform(model, network, None, "complex")(mixture))
    magnitude = np.array(model(np.hypot(real, imag)[:, 0]))
    np.testing.assert_allclose(np.hypot(found[..., :2], found[..., 2:]), magnitude, atol=1e-4)
    np.testing.assert_allclose(found[..., :2] * imag, found[..., 2:] * real, atol=1e-3)
    for domain in ("shared", "filtered"):
        total = np.array(from_waveform(model, network, None, domain)(mixture)).sum(axis=1)
        np.testing.assert_allclose(total[..., :2], real[:, 0], atol=1e-3)
        np.testing.assert_allclose(total[..., 2:], imag[:, 0], atol=1e-3)
