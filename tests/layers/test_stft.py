import keras
import librosa
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_mmdense.layers.fft import METHODS, irfft, rfft
from keras_mmdense.layers.stft import (
    STFT,
    InverseSTFT,
    StepwiseInverseSTFT,
    StepwiseSTFT,
)


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def complex_stft(x, n_fft, hop, window="hann"):
    real, imag = STFT(n_fft, hop, window)(x)
    return np.array(real) + 1j * np.array(imag)


def there_and_back(x, n_fft, hop, window="hann"):
    real, imag = STFT(n_fft, hop, window)(x)
    return np.array(InverseSTFT(n_fft, hop, window)([real[:, None], imag[:, None], x]))[:, 0]


@pytest.mark.parametrize("hop", [512, 1024])
@pytest.mark.parametrize("samples", [1, 2, 511, 512, 1023, 1024, 1025, 2048, 30001])
def test_inverse_is_exact_up_to_both_ends(samples, hop):
    x = noise(2, samples, 2)
    np.testing.assert_allclose(there_and_back(x, 2048, hop), x, atol=1e-5)


@given(samples=st.integers(1, 700), overlap=st.sampled_from([2, 4, 8]), channels=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_inverse_is_exact_for_any_length(samples, overlap, channels):
    x = noise(1, samples, channels)
    np.testing.assert_allclose(there_and_back(x, 64, 64 // overlap), x, atol=1e-5)


@pytest.mark.parametrize("overlap", [2, 4, 8])
def test_inverse_is_exact_where_the_length_is_unknown(overlap):
    samples = keras.Input((None, 2))
    real, imag = STFT(64, 64 // overlap)(samples)
    parts = [ops.expand_dims(x, 1) for x in (real, imag)]
    model = keras.Model(samples, InverseSTFT(64, 64 // overlap)([*parts, samples]))
    compiled = tf.function(model, input_signature=[tf.TensorSpec((None, None, 2))])
    for length in (1, 7, 8, 16, 64, 301):
        x = noise(2, length, 2)
        np.testing.assert_allclose(compiled(x)[:, 0], x, atol=1e-5)


def test_inverse_is_exact_with_the_root_window():
    x = noise(1, 5000, 1)
    np.testing.assert_allclose(there_and_back(x, 256, 64, "sqrt_hann"), x, atol=1e-5)


@pytest.mark.parametrize("hop", [512, 1024])
def test_equals_librosa(hop):
    x = noise(1, 20 * 1024, 2)
    expected = librosa.stft(x[0].T, n_fft=2048, hop_length=hop, pad_mode="constant")
    np.testing.assert_allclose(
        complex_stft(x, 2048, hop)[0], expected.transpose(2, 1, 0), atol=1e-4
    )


def test_equals_scipy_on_real_music(real_mixture):
    window = scipy.signal.windows.hann(2048, sym=False)
    transform = scipy.signal.ShortTimeFFT(window, 1024, 44100, phase_shift=None)
    expected = transform.stft(real_mixture.T.astype("float64"))
    ours = complex_stft(real_mixture[None], 2048, 1024)[0].transpose(2, 1, 0)
    frames = min(expected.shape[-1], ours.shape[-1])
    assert frames >= len(real_mixture) // 1024
    error = np.abs(ours[..., :frames] - expected[..., :frames]).max()
    assert error < 1e-4 * np.abs(expected).max()


def test_frames_cover_every_sample():
    assert complex_stft(noise(1, 1024, 1), 2048, 1024).shape[1] == 2
    assert complex_stft(noise(1, 1025, 1), 2048, 1024).shape[1] == 3


def test_inverse_of_several_sources_is_linear():
    x = noise(1, 4000, 2)
    real, imag = (np.array(part) for part in STFT(512, 128)(x))
    sources = InverseSTFT(512, 128)(
        [np.stack([real, 2 * real], 1), np.stack([imag, 2 * imag], 1), x]
    )
    np.testing.assert_allclose(sources[0], np.stack([x[0], 2 * x[0]]), atol=1e-5)


@given(size=st.integers(1, 200))
@settings(max_examples=20, deadline=None)
def test_matrices_transform_as_numpy_does(size):
    x = noise(1, 2, 3, 2 * size)
    expected = np.fft.rfft(x)
    real, imag = rfft((x[..., :size], x[..., size:]), "matrices")
    np.testing.assert_allclose(real, expected.real, atol=1e-4)
    np.testing.assert_allclose(imag, expected.imag, atol=1e-4)
    halves = irfft(real, imag, "matrices")
    np.testing.assert_allclose(np.concatenate(halves, axis=-1), x, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_first_and_last_imaginary_part_do_not_count(method):
    x = noise(1, 1, 2, 64)
    real, imag = (np.array(part) for part in rfft((x[..., :32], x[..., 32:]), method))
    imag[..., [0, -1]] = 7
    halves = irfft(real, imag, method)
    np.testing.assert_allclose(np.concatenate(halves, axis=-1), x, atol=1e-5)


@pytest.mark.parametrize("hop", [512, 1024])
def test_matrices_and_operator_agree_on_real_music(real_mixture, hop):
    x = real_mixture[None, :100_000]
    some, others = (
        InverseSTFT(2048, hop, fft=fft)([*(y[:, None] for y in STFT(2048, hop, fft=fft)(x)), x])
        for fft in METHODS
    )
    np.testing.assert_allclose(some, others, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("overlap", [2, 4, 8])
def test_steps_give_the_frames_and_the_waveform_of_the_whole_late(method, overlap):
    hop, half = 128 // overlap, overlap // 2
    x = noise(1, 24 * hop, 2)
    stft, inverse = (layer(128, hop, fft=method) for layer in (StepwiseSTFT, StepwiseInverseSTFT))
    steps = [[np.array(y) for y in stft(part)] for part in np.split(x, 6, axis=1)]
    for found, whole in zip(zip(*steps, strict=True), STFT(128, hop)(x), strict=True):
        found = np.concatenate(found, axis=1)[:, half - 1 :]
        np.testing.assert_allclose(found, whole[:, : 25 - half], atol=1e-5)
    late = np.concatenate([inverse([y[:, None] for y in step]) for step in steps], axis=2)[:, 0]
    delay = 128 - hop  # of both
    np.testing.assert_allclose(late[:, delay:], x[:, :-delay], atol=1e-5)
    np.testing.assert_allclose(late[:, :delay], 0, atol=1e-6)


@pytest.mark.parametrize("layer", [StepwiseSTFT, StepwiseInverseSTFT])
def test_steps_need_an_even_number_of_hops_in_a_window(layer):
    with pytest.raises(ValueError, match="even multiple of the hop 40, received 120"):
        layer(120, 40)


def test_static_and_unknown_lengths_have_shapes():
    assert STFT()(keras.Input((None, 2)))[0].shape == (None, None, 1025, 2)
    assert STFT()(keras.Input((2049, 2)))[1].shape == (None, 4, 1025, 2)


def test_stays_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        x = noise(1, 3000, 1)
        np.testing.assert_allclose(there_and_back(x, 256, 64), x, atol=1e-5)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "bad", [{"n_fft": 7}, {"hop": 1500}, {"hop": 2048}, {"window": "boxcar"}, {"fft": "slow"}]
)
def test_bad_sizes_are_named(bad):
    with pytest.raises(ValueError, match=str(next(iter(bad.values())))):
        STFT(**bad)


def test_config_round_trip():
    layer = STFT.from_config(STFT(512, 128, "sqrt_hann", "matrices").get_config())
    found = layer.n_fft, layer.hop, layer.window, layer.fft
    assert found == (512, 128, "sqrt_hann", "matrices")
