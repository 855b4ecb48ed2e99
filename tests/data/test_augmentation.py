import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mmdense.data import augmentation
from keras_mmdense.data.cache import CachedSong
from keras_mmdense.data.pipeline import RemixedChunks
from keras_mmdense.stems import STEMS

SAMPLES = 16


def ramps(songs=6, samples=100):
    """Songs that tell where a chunk is from: left = 1 + position + 1000 song, right = -left / 2."""
    left = 1 + np.arange(samples) + 1000 * np.arange(songs)[:, None]
    audio = np.stack([left, -left / 2], axis=-1).astype("float32")
    return [CachedSong(str(i), np.stack([song] * len(STEMS))) for i, song in enumerate(audio)]


def examples(*augment, count=200, **options):
    chunks = RemixedChunks(ramps(**options), STEMS, SAMPLES, 0, augment)
    return np.stack([chunks[number][1] for number in range(count)])


def origins(stems):
    """Song and first sample of every chunk that was neither swapped nor scaled."""
    return np.divmod(stems[:, :, 0, 0] - 1, 1000)


def test_gains_are_uniform():
    rng = np.random.default_rng(0)
    gains = [augmentation.scale(np.ones((1, 2), "float32"), rng)[0, 0] for _ in range(2000)]
    assert 0.25 <= min(gains) < 0.27 and 1.23 < max(gains) <= 1.25
    assert np.mean(gains) == pytest.approx(0.75, abs=0.02)
    assert np.var(gains) == pytest.approx(1 / 12, rel=0.1)


def test_channels_are_swapped_half_of_the_time():
    rng = np.random.default_rng(0)
    x = np.array([[1.0, 2.0]])
    results = [tuple(augmentation.swap_channels(x, rng)[0]) for _ in range(500)]
    assert set(results) == {(1.0, 2.0), (2.0, 1.0)}
    assert results.count((2.0, 1.0)) / 500 == pytest.approx(0.5, abs=0.07)


def test_songs_are_drawn_by_their_share():
    share = np.array([0.1, 0.6, 0.3])
    drawn = augmentation.draw_songs(share, 5000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn) / 5000, share, atol=0.02)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32))
def test_chunks_start_anywhere_they_fit(length, samples, seed):
    start = augmentation.draw_start(length, samples, np.random.default_rng(seed))
    assert 0 <= start <= max(0, length - samples)


def test_every_start_is_drawn():
    rng = np.random.default_rng(0)
    assert {augmentation.draw_start(20, 16, rng) for _ in range(200)} == set(range(5))


def test_each_function_repeats_with_its_seed():
    chunk = np.arange(8.0).reshape(4, 2)
    for function in (
        lambda rng: augmentation.scale(chunk, rng),
        lambda rng: augmentation.swap_channels(chunk, rng),
        lambda rng: augmentation.draw_songs(np.full(9, 1 / 9), 4, rng),
        lambda rng: augmentation.draw_start(1000, 10, rng),
    ):
        one, same = (function(np.random.default_rng(3)) for _ in range(2))
        np.testing.assert_array_equal(one, same)


def test_without_augmentation_an_example_is_a_piece_of_one_song():
    songs, starts = origins(examples())
    assert (songs == songs[:, :1]).all() and (starts == starts[:, :1]).all()
    assert set(songs[:, 0]) == set(range(6))
    assert set(starts[:, 0]) == set(range(0, 100 - SAMPLES + 1, SAMPLES))


def test_remix_takes_every_stem_from_a_song_and_a_place_of_its_own():
    songs, starts = origins(examples("remix"))
    for places in (songs, starts):
        assert np.mean([len(set(row)) > 1 for row in places]) > 0.9
    assert set(starts.ravel()) == set(range(0, 100 - SAMPLES + 1, SAMPLES))


def test_chunks_start_at_any_sample():
    songs, starts = origins(examples("chunks", count=1000))
    assert (songs == songs[:, :1]).all() and (starts == starts[:, :1]).all()
    assert set(starts[:, 0]) == set(range(100 - SAMPLES + 1))


def test_swap_changes_the_channels_of_single_stems_alone():
    plain, swapped = examples(), examples("swap")
    same = (plain == swapped).all(axis=(2, 3))
    assert ((plain == swapped[..., ::-1]).all(axis=(2, 3)) ^ same).all()
    assert same.mean() == pytest.approx(0.5, abs=0.06)
    assert 0 < np.mean(same.all(axis=1)) < 0.2


def test_gain_changes_the_level_of_single_stems_alone():
    gains = examples("gain") / examples()
    np.testing.assert_allclose(gains, np.broadcast_to(gains[:, :, :1, :1], gains.shape), rtol=1e-5)
    assert gains.min() >= 0.25 and gains.max() <= 1.25
    assert np.ptp(gains[:, :, 0, 0], axis=1).min() > 0


def test_a_step_that_is_left_out_changes_nothing_in_the_others():
    whole, quiet = examples(*augmentation.AUGMENTATIONS), examples("chunks", "swap", "remix")
    ratio = whole / quiet
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :, :1, :1], ratio.shape), rtol=1e-5)


def test_chunks_of_a_short_song_end_in_zeros():
    stems = examples(*augmentation.AUGMENTATIONS, samples=10, count=3)
    assert (stems[:, :, :10] != 0).all() and (stems[:, :, 10:] == 0).all()
