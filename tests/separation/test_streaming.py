"""The stream with an identity graph: what comes out is what went in, whatever the shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mmdense.errors import InputError
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.streaming import Stream, as_floats


def halves(context, delay=0):
    """Starts a graph of two sources that share the mixture, 3/4 and 1/4 of it, and come late."""

    def start():
        past = np.zeros((1, delay, 2), "float32")

        def graph(batch):
            nonlocal past
            kept = batch[:, context : batch.shape[1] - context]
            joined = np.concatenate([past[..., : kept.shape[2]], kept], axis=1)
            kept, past = joined[:, : kept.shape[1]], joined[:, kept.shape[1] :]
            return np.stack([0.75 * kept, 0.25 * kept], axis=1)

        return graph

    return start


def card(width, core, context, delay=0):
    """The card of `halves`."""
    sizes = {"n_fft": 2, "hop": 1, "window": core, "context": context, "delay": delay}
    return ModelCard(("halves",), ("more", "less"), 44100, width, **sizes)


def run(blocks, rate=44100, width=2, core=64, context=16, delay=0):
    facts = card(width, core, context, delay)
    stream = Stream(halves(context, delay), facts, rate, blocks[0].shape[1])
    parts = [stream.push(block) for block in blocks] + [stream.finish()]
    mixture = np.concatenate([part for part, _ in parts])
    return mixture, np.concatenate([stems for _, stems in parts], axis=1)


@given(
    samples=st.integers(1, 3000),
    rate=st.sampled_from([8000, 22050, 32000, 44100, 48000, 96000]),
    channels=st.integers(1, 6),
    width=st.integers(1, 2),
    dtype=st.sampled_from(["float32", "float64", "int16"]),
    core=st.integers(1, 2000),
    context=st.integers(0, 600),
    delay=st.integers(0, 600),
    cuts=st.lists(st.integers(0, 3000), max_size=4),
)
@settings(max_examples=120, deadline=None)
def test_any_length_rate_channels_type_and_window(
    samples, rate, channels, width, dtype, core, context, delay, cuts
):
    x = np.random.default_rng(samples).uniform(-1, 1, (samples, channels))
    x = (x * 1000).astype(dtype).astype("float32") / 1000
    blocks = np.split(x, sorted(cut for cut in cuts if cut <= samples))
    mixture, stems = run(blocks, rate, width, core, context, delay)
    np.testing.assert_array_equal(mixture, x)
    assert stems.shape == (2, samples, channels) and np.isfinite(stems).all()
    if rate == 44100:
        np.testing.assert_allclose(stems, np.stack([0.75 * x, 0.25 * x]), atol=1e-5)


@pytest.mark.parametrize("rate", [22050, 48000])
def test_resampling_there_and_back_keeps_music(rate):
    t = np.arange(3 * rate) / rate
    x = 0.3 * np.stack([np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 5000 * t)], axis=1)
    blocks = np.split(x.astype("float32"), [1000, 1001, 70000 * rate // 48000])
    _, stems = run(blocks, rate, core=8192, context=1024)
    error = (stems.sum(axis=0) - x)[500:-500]
    assert 10 * np.log10(np.sum(x**2) / np.sum(error**2)) > 60


def test_every_path_of_groups_keeps_channels_apart():
    x = np.random.default_rng(0).uniform(-1, 1, (500, 5)).astype("float32")
    _, stems = run([x])
    np.testing.assert_allclose(stems.sum(axis=0), x, atol=1e-6)


def test_a_bad_sample_is_named_by_its_place_in_the_signal():
    stream = Stream(halves(16), card(2, 64, 16), 44100, 2)
    stream.push(np.zeros((1000, 2), "float32"))
    bad = np.zeros((50, 2), "float32")
    bad[7, 1] = np.inf
    with pytest.raises(InputError, match="sample 1007 "):
        stream.push(bad)


@pytest.mark.parametrize("rate", [1, 100, 999, 768001, 2**31, np.nan, np.inf, "44100", None])
def test_rates_are_bounded(rate):
    with pytest.raises(InputError, match="sample rate must lie between 1000 and 768000"):
        Stream(halves(16), card(2, 64, 16), rate, 2)


@pytest.mark.parametrize(
    ("rate", "channels"), [(44100, 0), (44100, 65), (44100, 88200), (192000, 22)]
)
def test_channels_are_bounded(rate, channels):
    with pytest.raises(InputError, match=f"channels at {rate} Hz, received {channels}"):
        Stream(halves(16), card(2, 64, 16), rate, channels)


def test_many_channels_go_through_the_graph_pair_by_pair():
    shapes = []

    def graph(batch):
        shapes.append(batch.shape)
        return halves(16)()(batch)

    stream = Stream(lambda: graph, card(2, 64, 16), 44100, 64)
    x = np.random.default_rng(0).uniform(-1, 1, (10, 64)).astype("float32")
    parts = [stream.push(x)[1], stream.finish()[1]]
    np.testing.assert_allclose(np.concatenate(parts, axis=1).sum(axis=0), x, atol=1e-6)
    assert shapes == [(1, 96, 2)] * 32


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_the_graph_gives_must_be_finite(value):
    stream = Stream(lambda: lambda x: halves(16)()(x) + value, card(2, 64, 16), 44100, 2)
    with pytest.raises(InputError, match="network returned numbers that are not finite"):
        stream.push(np.zeros((1000, 2), "float32"))


@pytest.mark.parametrize("part", [np.s_[:, :1], np.s_[:, :, :30], np.s_[..., :1], np.s_[0]])
def test_what_the_graph_gives_must_fit(part):
    stream = Stream(lambda: lambda x: halves(16)()(x)[part], card(2, 64, 16), 44100, 2)
    with pytest.raises(InputError, match="graph returned stems of shape"):
        stream.push(np.zeros((1000, 2), "float32"))


@pytest.mark.parametrize("shape", [(10,), (10, 3)])
def test_blocks_must_fit(shape):
    stream = Stream(halves(16), card(2, 64, 16), 44100, 2)
    with pytest.raises(InputError, match="received shape"):
        stream.push(np.zeros(shape, "float32"))


@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_integers_are_scaled_from_their_range(dtype):
    x = np.array([[-1.0], [0.0], [0.5]])
    whole = (x * -float(np.iinfo(dtype).min)).astype(dtype)
    floats = as_floats(whole)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, x)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "complex64", "object", "U3"])
def test_other_types_are_refused(dtype):
    with pytest.raises(InputError, match="must be float, int16 or int32"):
        as_floats(np.zeros((3, 2), dtype))
