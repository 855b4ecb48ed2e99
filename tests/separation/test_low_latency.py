"""Separation of music that is playing: little latency, no look into the future, like stems."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.data.songs import find_songs
from keras_mmdense.errors import InputError
from keras_mmdense.separation.separator import Separator

RATE = 44100


LONG = dataclasses.replace(TABLES["tiny"], n_fft=4096)


@pytest.fixture(scope="module", params=[TABLES["tiny"], LONG], ids=["half", "quarter"])
def separator(random_network, request):
    return Separator.from_networks([random_network(request.param)], low_latency=True)


@pytest.fixture(scope="module")
def song(real_mixture):
    return real_mixture[: 4 * RATE]


def joined(separator, blocks):
    parts = list(separator.stream(blocks, RATE))
    return {name: np.concatenate([part[name] for part in parts]) for name in separator.stems}


def test_the_latency_is_below_half_a_second(separator):
    assert separator.latency / separator.sample_rate < 0.5


def test_the_first_samples_come_within_the_latency(separator, song):
    read = itertools.count()
    blocks = (song[start : start + 100] for start in range(0, len(song), 100) if next(read) >= 0)
    next(separator.stream(blocks, RATE))
    assert separator.card.delay < next(read) * 100 <= separator.latency


@pytest.mark.parametrize("size", [777, 8192, 100_000])
def test_blocks_of_any_size_give_the_same_stems_of_the_song_s_length(separator, song, size):
    expected = separator.separate(song, RATE)
    found = joined(separator, [song[start : start + size] for start in range(0, len(song), size)])
    for name, stem in expected.items():
        assert stem.shape == song.shape and stem.any()
        np.testing.assert_array_equal(found[name], stem)


@pytest.mark.parametrize("table", [TABLES["tiny"], LONG], ids=["half", "quarter"])
def test_a_mask_of_one_gives_the_song(random_network, song, table):
    spec, network = random_network(table, ("vocals",))
    kernel, bias = network.get_layer("output_conv").get_weights()
    network.get_layer("output_conv").set_weights([0 * kernel, bias + 30])
    live = Separator.from_networks([(spec, network)], low_latency=True)
    np.testing.assert_allclose(live.separate(song, RATE)["vocals"], song, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_stems_sum_to_the_song(separator, song, channels):
    sound = np.resize(song[:30000].T, (channels, 30000)).T
    stems = separator.separate(sound, RATE)
    np.testing.assert_allclose(sum(stems.values()), sound, atol=1e-5)


def test_nothing_after_the_latency_changes_a_stem(separator, song):
    at = 2 * RATE
    changed = song.copy()
    changed[at:] = 0.1 * np.random.default_rng(0).standard_normal(changed[at:].shape)
    one, other = (separator.separate(x, RATE) for x in (song, changed))
    same = at - separator.latency
    for name, stem in one.items():
        np.testing.assert_array_equal(stem[:same], other[name][:same])
        assert np.abs(stem[at:] - other[name][at:]).max() > 1e-3


def test_the_default_network_loses_less_than_half_a_decibel(musdb_root):
    """In the mean over stems and songs; `benchmarks/latency.py` measures it on all of them."""
    songs = find_songs(musdb_root, "valid")[:4]
    separators = Separator(), Separator(low_latency=True)
    lost = []
    for song in songs:
        stems = song.stems()
        mixture = sum(stems.values())
        usual, live = (x.separate(mixture, song.sample_rate) for x in separators)
        for name, stem in stems.items():
            errors = [np.square(stem - x[name]).sum() for x in (usual, live)]
            lost.append(10 * np.log10(errors[1] / errors[0]))
    assert len(lost) == 16 and np.mean(lost) < 0.5


def test_several_networks_mono_networks_and_lstms(random_network, song):
    lstm = dataclasses.replace(TABLES["blstm"], cells=4, n_fft=2048, hop=1024)
    two = [random_network(targets=("vocals",)), random_network(targets=("drums",))]
    mono = [random_network(targets=("vocals",), channels=1)]
    for networks in (two, mono, [random_network(lstm, ("vocals",))]):
        live = Separator.from_networks(networks, low_latency=True)
        stems = live.separate(song[:40000], RATE)
        np.testing.assert_allclose(sum(stems.values()), song[:40000], atol=1e-5)


def test_a_copy_gives_the_same_stems(separator, song):
    other = copy.deepcopy(separator)
    assert other.latency == separator.latency
    for name, stem in separator.separate(song[:30000], RATE).items():
        np.testing.assert_array_equal(other.separate(song[:30000], RATE)[name], stem)


def test_what_excludes_low_latency_is_named(random_network, tmp_path):
    with pytest.raises(InputError, match="low latency runs in TensorFlow"):
        Separator(low_latency=True, engine="litert")
    with pytest.raises(InputError, match="low latency runs in TensorFlow"):
        Separator(low_latency=True, window=64)
    (tmp_path / "a.tflite").write_bytes(b"TFL3")
    with pytest.raises(InputError, match="runs in LiteRT only"):
        Separator(tmp_path / "a.tflite", low_latency=True)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(InputError, match="a SavedModel has the latency that it was made for"):
        Separator(tmp_path, low_latency=True)
    with pytest.raises(InputError, match="low latency runs in TensorFlow"):
        Separator.from_networks([random_network()], window=64, low_latency=True)
