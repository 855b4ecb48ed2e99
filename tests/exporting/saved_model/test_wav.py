"""WAV bytes in a TensorFlow graph, against soundfile."""

import io
import struct

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mmdense.exporting.saved_model.wav import decode_wav, encode_wav

RATE = 44100
decode = tf.function(
    lambda wav: decode_wav(wav, RATE),
    input_signature=[tf.TensorSpec([], tf.string)],
    autograph=False,
)
encode = tf.function(
    lambda x: encode_wav(x, RATE),
    input_signature=[tf.TensorSpec([None, None])],
    autograph=False,
)


def noise(samples, channels):
    return np.random.default_rng(samples).uniform(-1, 1, (samples, channels)).astype("float32")


def wav_file(waveform, subtype="PCM_16", form="WAV", rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, waveform, rate, subtype, format=form)
    return file.getvalue()


def with_chunk(wav, name, content):
    """The file with one more chunk before its data."""
    at = wav.index(b"data")
    chunk = name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return wav[:at] + chunk + wav[at:]


def refusal(wav):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        decode(wav)
    return str(error.value)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize(("samples", "channels"), [(1, 1), (1001, 1), (1001, 2)])
def test_reads_what_soundfile_reads(subtype, form, samples, channels):
    wav = wav_file(noise(samples, channels), subtype, form)
    expected, _ = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(decode(wav), expected)


def test_reads_the_ends_of_the_range():
    for subtype, bits in (("PCM_16", 16), ("PCM_24", 24)):
        ends = np.array([[-1.0, 1 - 2.0 ** (1 - bits)], [0, -(2.0 ** (1 - bits))]])
        np.testing.assert_array_equal(decode(wav_file(ends, subtype)), ends.astype("float32"))


@pytest.mark.parametrize("size", [0, 1, 26, 27])
def test_passes_over_other_chunks(size):
    x = noise(50, 2)
    wav = with_chunk(wav_file(x, "FLOAT"), b"junk", bytes(size))
    wav = with_chunk(wav, b"LIST", b"data" * 7)
    np.testing.assert_array_equal(decode(wav), x)


@settings(max_examples=50, deadline=None)
@given(samples=st.integers(1, 3000), channels=st.integers(1, 2), peak=st.sampled_from([1, 4, 1e-9]))
def test_what_is_written_reads_back_unclipped(samples, channels, peak):
    x = peak * noise(samples, channels)
    wav = encode(x).numpy()
    read, rate = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)
    assert rate == RATE and soundfile.info(io.BytesIO(wav)).subtype == "FLOAT"
    assert len(wav) == struct.unpack("<I", wav[4:8])[0] + 8
    np.testing.assert_array_equal(read, x)
    np.testing.assert_array_equal(decode(wav), x)


@pytest.mark.parametrize("kept", [0, 3, 11, 12, 19, 30, 44, 100, 443])
def test_broken_off_files_are_refused(kept):
    wav = wav_file(noise(100, 2))
    assert len(wav) == 444
    message = refusal(wav[:kept])
    assert "assertion failed: [wav " in message
    assert any(words in message for words in ("must be", "must hold", "is truncated"))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_32", "DOUBLE", "ULAW"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_other_samples_are_refused(subtype, form):
    message = refusal(wav_file(noise(100, 2), subtype, form))
    assert "must hold 16-bit PCM, 24-bit PCM or 32-bit float samples; received" in message


def test_eight_bits_are_named():
    assert "received 8-bit samples of format 1" in refusal(wav_file(noise(9, 1), "PCM_U8"))


def test_other_rates_and_channels_are_refused():
    assert "a rate of 44100 Hz, received 48000 Hz" in refusal(wav_file(noise(9, 2), rate=48000))
    assert "1 or 2 channels, received 3" in refusal(wav_file(noise(9, 3)))


def test_empty_and_uneven_data_are_refused():
    assert "its data are 0 bytes" in refusal(wav_file(noise(0, 2)))
    wav = bytearray(wav_file(noise(9, 2)))
    wav[40:44] = struct.pack("<I", 35)
    assert "whole samples of all channels; its data are 35 bytes" in refusal(bytes(wav))


def test_other_files_are_refused():
    file = io.BytesIO()
    soundfile.write(file, noise(100, 2), RATE, format="FLAC")
    assert "must be a WAV file" in refusal(file.getvalue())


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 43), st.integers(0, 255))
def test_a_changed_header_never_crashes(position, value):
    """A damaged header is read or refused with a message of ours, not by a failing operator."""
    wav = bytearray(wav_file(noise(20, 2)))
    wav[position] = value
    try:
        assert decode(bytes(wav)).shape[1] in (1, 2)
    except tf.errors.InvalidArgumentError as error:
        assert "assertion failed: [wav " in str(error)
