import numpy as np
import pytest

from keras_mmdense.data import augmentation
from keras_mmdense.data.cache import CachedSong, cache_songs
from keras_mmdense.data.pipeline import RemixedChunks, WholeSongs
from keras_mmdense.data.songs import Song
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS


def cached(*lengths):
    """Songs whose samples say where they come from: song + stem / 8, right negative."""
    songs = []
    for number, samples in enumerate(lengths, 1):
        level = number + np.arange(4)[:, None, None] / 8
        songs.append(CachedSong(str(number), level * np.ones((4, samples, 2)) * [1, -1]))
    return songs


def in_memory(name="song", rate=44100, samples=100, **changes):
    rng = np.random.default_rng(0)
    audio = {stem: rng.uniform(-1, 1, (samples, 2)).astype("float32") for stem in STEMS} | changes
    return Song(name, rate, audio.__getitem__)


def test_the_mixture_is_the_sum_and_targets_are_its_parts():
    chunks = RemixedChunks(cached(500, 600, 700, 800, 900), STEMS, 64, 3, 4, seed=0)
    mixture, targets = chunks[0]
    assert len(chunks) == 4
    assert mixture.shape == (3, 64, 2) and targets.shape == (3, 4, 64, 2)
    np.testing.assert_allclose(targets.sum(axis=1), mixture, rtol=1e-6)
    _, vocals = RemixedChunks(cached(500, 600, 700, 800, 900), ("vocals",), 64, 3, 4, seed=0)[0]
    np.testing.assert_array_equal(vocals[:, 0], targets[:, 0])


def test_stems_come_from_different_songs():
    chunks = RemixedChunks(cached(*[500] * 8), STEMS, 64, 1, 50, seed=0)
    for index in range(50):
        _, targets = chunks[index]
        levels = np.abs(targets[0, :, 0, 0])
        assert (levels > 0).all()
    owners = []
    for _ in range(50):
        songs = []
        for stem, song in enumerate(_drawn(chunks)):
            songs.append((stem, song))
        owners.append(len({song for _, song in songs}))
    assert set(owners) == {4}


def _drawn(chunks):
    rng = np.random.default_rng()
    drawn = []
    real = chunks._chunk
    chunks._chunk = lambda song, stem, rng: drawn.append(song) or real(song, stem, rng)
    chunks._stems(rng)
    chunks._chunk = real
    return drawn


def test_songs_are_drawn_by_their_length():
    chunks = RemixedChunks(cached(100, 300), STEMS, 10, 1, 1, seed=0)
    drawn = [song for _ in range(500) for song in _drawn(chunks)]
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.05)


def test_batches_depend_on_seed_epoch_and_index_alone():
    def make(seed):
        return RemixedChunks(cached(*[500] * 5), STEMS, 64, 2, 4, seed=seed)

    one, same, other = make(1), make(1), make(2)
    np.testing.assert_array_equal(one[3][0], same[3][0])
    assert not np.array_equal(one[0][0], one[1][0])
    assert not np.array_equal(one[0][0], other[0][0])
    first = one[0][0]
    one.on_epoch_end()
    assert not np.array_equal(one[0][0], first)


def test_validation_shows_every_sample_once():
    songs = cached(130, 64)
    batches = WholeSongs(songs, STEMS, 64, 3)
    mixtures = np.concatenate([batches[i][0] for i in range(len(batches))])
    assert len(batches) == 2 and mixtures.shape == (4, 64, 2)
    expected = [song.audio.sum(axis=0)[:, 0].sum() for song in songs]
    assert mixtures[:3, :, 0].sum() == pytest.approx(expected[0], rel=1e-5)
    assert mixtures[3:, :, 0].sum() == pytest.approx(expected[1], rel=1e-5)


def test_gains_are_uniform():
    rng = np.random.default_rng(0)
    gains = [augmentation.scale(np.ones((1, 2), "float32"), rng)[0, 0] for _ in range(2000)]
    assert 0.25 <= min(gains) < 0.27 and 1.23 < max(gains) <= 1.25
    assert np.mean(gains) == pytest.approx(0.75, abs=0.02)


def test_channels_are_swapped_half_of_the_time():
    rng = np.random.default_rng(0)
    x = np.array([[1.0, 2.0]])
    results = [tuple(augmentation.swap_channels(x, rng)[0]) for _ in range(500)]
    assert set(results) == {(1.0, 2.0), (2.0, 1.0)}
    assert results.count((2.0, 1.0)) / 500 == pytest.approx(0.5, abs=0.07)


def test_cache_keeps_the_stems_and_decodes_once(tmp_path):
    reads, calls = [], []
    song = in_memory()
    counting = Song("song", 44100, lambda stem: reads.append(stem) or song.read(stem))
    for _ in range(2):
        result = cache_songs([counting], tmp_path, 44100, 2, lambda *done: calls.append(done))[0]
    assert reads == list(STEMS) and calls == [(1, 1)] * 2
    for index, stem in enumerate(STEMS):
        np.testing.assert_allclose(result.chunk(index, 0, 100), song.read(stem), atol=5e-4)
    assert isinstance(result.audio, np.memmap)
    assert result.chunk(0, 90, 20)[10:].sum() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["song.npy"]


@pytest.mark.parametrize(
    ("song", "message"),
    [
        (in_memory(rate=48000), "song: 48000 Hz, expected 44100 Hz"),
        (in_memory(bass=np.zeros((99, 2), "float32")), r"bass has shape \(99, 2\)"),
        (in_memory(vocals=np.zeros((100, 1), "float32")), r"vocals has shape \(100, 1\)"),
    ],
)
def test_songs_that_do_not_fit_are_named(song, message, tmp_path):
    with pytest.raises(InputError, match=message):
        cache_songs([song], tmp_path, 44100, 2)
    assert not list(tmp_path.iterdir())
