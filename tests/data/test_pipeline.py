import keras
import numpy as np
import pytest

from keras_mmdense.data.cache import CachedSong
from keras_mmdense.data.pipeline import Batches, RemixedChunks, WholeSongs, training_batches
from keras_mmdense.stems import STEMS


def cached(*lengths):
    """Songs of noise."""
    rng = np.random.default_rng(0)
    audio = [rng.uniform(-1, 1, (4, samples, 2)).astype("float32") for samples in lengths]
    return [CachedSong(str(number), stems) for number, stems in enumerate(audio)]


def remixed(targets=STEMS, seed=0, songs=None):
    return RemixedChunks(songs or cached(500, 600, 700, 800, 900), targets, 64, seed)


def test_the_mixture_is_the_sum_and_targets_are_its_parts():
    mixture, targets = remixed()[7]
    assert mixture.shape == (64, 2) and targets.shape == (4, 64, 2)
    assert mixture.dtype == targets.dtype == np.float32
    np.testing.assert_allclose(targets.sum(axis=0), mixture, atol=1e-6)
    _, some = remixed(("drums", "vocals"))[7]
    np.testing.assert_array_equal(some, targets[[STEMS.index("drums"), STEMS.index("vocals")]])


def test_examples_depend_on_seed_and_number_alone():
    one, same, other = remixed(seed=1), remixed(seed=1), remixed(seed=2)
    one[0]
    np.testing.assert_array_equal(one[3][0], same[3][0])
    assert not np.array_equal(one[3][0], one[4][0])
    assert not np.array_equal(one[3][0], other[3][0])


def test_songs_are_drawn_by_weight():
    songs = cached(100, 100, 100)
    for song, weight in zip(songs, (1, 2, 5), strict=True):
        song.weight = weight
        song.audio = np.full_like(song.audio, weight)
    chunks = RemixedChunks(songs, STEMS, 10, 0, ("remix",))
    levels = np.concatenate([chunks[number][1][:, 0, 0] for number in range(800)])
    shares = [np.mean(levels == weight) for weight in (1, 2, 5)]
    np.testing.assert_allclose(shares, np.array([1, 2, 5]) / 8, atol=0.03)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares with TensorFlow's")
def test_both_paths_give_the_same_first_ten_batches():
    for first in (0, 3):
        generic = Batches(remixed(), 3, first)
        for number, batch in enumerate(training_batches(remixed(), 3, first).take(10)):
            for one, other in zip(batch, generic[number], strict=True):
                np.testing.assert_array_equal(one, other)


def test_batches_go_on_from_any_number():
    whole, rest = Batches(remixed(), 2), Batches(remixed(), 2, first=5)
    for index in (0, 1, 2, 2, 0):
        for one, other in zip(whole[5 + index], rest[index], strict=True):
            np.testing.assert_array_equal(one, other)


def test_few_batches_are_made_ahead():
    made = []

    class Counting(RemixedChunks):
        def __getitem__(self, number):
            made.append(number)
            return super().__getitem__(number)

    chunks = Counting(cached(500, 600), STEMS, 64, 0)
    generic = Batches(chunks, 2)
    for index in range(50):
        generic[index]
    generic.pool.shutdown()
    assert sorted(made) == list(range(2 * (50 + 2)))
    assert len(generic.pending) == 2


def test_validation_shows_every_sample_once():
    songs = cached(130, 64)
    batches = WholeSongs(songs, STEMS, 64, 3)
    mixtures = np.concatenate([batches[i][0] for i in range(len(batches))])
    assert len(batches) == 2 and mixtures.shape == (4, 64, 2)
    for song, chunks in ((songs[0], mixtures[:3]), (songs[1], mixtures[3:])):
        shown = chunks.reshape(-1, 2)
        np.testing.assert_allclose(shown[: song.samples], song.audio.sum(axis=0), atol=1e-6)
        assert not shown[song.samples :].any()
