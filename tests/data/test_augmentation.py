import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mmdense.data import augmentation, augmentation_names
from keras_mmdense.data.cache import CachedSong
from keras_mmdense.data.pipeline import RANDOM_STEPS, RemixedChunks
from keras_mmdense.errors import InputError
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
    whole, quiet = examples(*augmentation_names.PAPER), examples("chunks", "swap", "remix")
    ratio = whole / quiet
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :, :1, :1], ratio.shape), rtol=1e-5)


def test_chunks_of_a_short_song_end_in_zeros():
    stems = examples(*augmentation_names.PAPER, samples=10, count=3)
    assert (stems[:, :, :10] != 0).all() and (stems[:, :, 10:] == 0).all()


def test_a_speed_is_a_number_of_semitones_half_of_the_time():
    rng = np.random.default_rng(0)
    semitones = 12 * np.log2([augmentation.draw_speed(rng) for _ in range(2000)])
    assert np.mean(semitones == 0) == pytest.approx(0.5, abs=0.04)
    assert -2.5 <= semitones.min() < -2.4 and 2.4 < semitones.max() <= 2.5


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.12])
def test_a_faster_chunk_has_a_higher_pitch_and_the_same_length(speed):
    samples, frequency = 8000, 400
    length = round(samples * speed)
    sine = np.sin(2 * np.pi * frequency / 8000 * np.arange(length))[:, None].astype("float32")
    changed = augmentation.change_speed(sine, samples)
    assert changed.shape == (samples, 1)
    spectrum = np.abs(np.fft.rfft(changed[:, 0] * np.hanning(samples)))
    assert spectrum.argmax() == pytest.approx(frequency * speed, abs=1)


def test_the_polarity_flips_half_of_the_time():
    rng = np.random.default_rng(0)
    signs = [augmentation.flip_polarity(np.ones((1, 1)), rng)[0, 0] for _ in range(500)]
    assert set(signs) == {1, -1} and abs(np.mean(signs)) < 0.15


def test_an_equalizer_changes_levels_smoothly_and_no_phase():
    impulse = np.zeros((4096, 2), "float32")
    impulse[0] = 1
    rng = np.random.default_rng(0)
    results = [augmentation.equalize(impulse, rng) for _ in range(300)]
    assert np.mean([x is not impulse for x in results]) == pytest.approx(0.3, abs=0.08)
    decibels = []
    for x in results:
        spectrum = np.fft.rfft(x, axis=0)
        assert np.abs(spectrum.imag).max() < 1e-4
        level = 20 * np.log10(spectrum.real[:, 0])
        assert np.abs(np.diff(level[64:])).max() < 0.5
        decibels.append(level[2048])
    assert np.std([x for x in decibels if abs(x) > 1e-4]) == pytest.approx(5, rel=0.25)


def test_a_level_is_that_of_the_whole_mixture_and_uniform_in_decibels():
    levels = examples("level", count=1000) / examples(count=1000)
    whole = levels[:, 0, 0, 0]
    same = np.broadcast_to(whole[:, None, None, None], levels.shape)
    np.testing.assert_allclose(levels, same, rtol=1e-5)
    decibels = 20 * np.log10(whole)
    assert -6 <= decibels.min() < -5.8 and 11.8 < decibels.max() <= 12
    assert np.mean(decibels) == pytest.approx(3, abs=0.6)
    assert np.std(decibels) == pytest.approx(18 / 12**0.5, rel=0.05)


def test_chunks_are_active_but_for_some():
    songs = ramps(songs=1, samples=400)
    songs[0].audio[:, 100:] = 0  # Three quarters are silent.
    share = {
        augment: np.mean(
            [
                RemixedChunks(songs, STEMS, SAMPLES, 0, ("remix", "chunks", *augment))[i][1].any()
                for i in range(200)
            ]
        )
        for augment in ((), ("active",))
    }
    assert share[("active",)] > share[()]
    active = [
        stem.any()
        for i in range(200)
        for stem in RemixedChunks(songs, STEMS, SAMPLES, 0, ("remix", "chunks", "active"))[i][1]
    ]
    # A tenth may be silent, and eight draws of the others may all be.
    assert np.mean(active) == pytest.approx(0.9 * (1 - 0.72**8) + 0.1 * 0.28, abs=0.06)


def test_some_stems_are_the_sum_of_two_clips():
    songs = ramps()
    for song in songs:
        song.audio = np.ones_like(song.audio)
    chunks = RemixedChunks(songs, STEMS, SAMPLES, 0, ("remix", "double"))
    levels = np.concatenate([chunks[i][1][:, 0, 0] for i in range(300)])
    assert set(levels) == {1, 2}
    assert np.mean(levels == 2) == pytest.approx(0.15, abs=0.04)


def test_whole_songs_are_active_but_for_some():
    songs = ramps(songs=1, samples=400)
    songs[0].audio[:, 100:] = 0
    silent = {}
    for augment in (("chunks",), ("chunks", "active")):
        chunks = RemixedChunks(songs, STEMS, SAMPLES, 0, augment)
        silent[augment] = np.mean([not chunks[i][1].any() for i in range(300)])
    assert silent[("chunks",)] > 0.6 and silent[("chunks", "active")] < 0.2


def test_vocals_and_accompaniment_are_whole_songs_without_remix():
    songs = ramps()
    songs[0].recordings = (0, 1, 1, 1)
    chunks = RemixedChunks(songs, STEMS, SAMPLES, 0, ())
    targets = np.stack([chunks[i][1] for i in range(300)])
    joined = np.isnan(targets).any(axis=(2, 3))
    assert set(map(tuple, joined)) == {(False,) * 4, (False, False, True, True)}
    song, start = origins(targets[joined.any(axis=1), :2])
    assert not song.any() and (start[:, 0] == start[:, 1]).all()


def test_an_unknown_stem_is_drawn_from_songs_that_have_it():
    songs = ramps()
    for song in songs[:4]:
        song.recordings = (0, 1, None, 3)
    chunks = RemixedChunks(songs, STEMS, SAMPLES, 0, ("remix",))
    song, _ = origins(np.stack([chunks[i][1] for i in range(200)]))
    assert set(song[:, 2]) == {4, 5} and set(song[:, 0]) == set(range(6))
    with pytest.raises(InputError, match="remix only"):
        RemixedChunks(songs, STEMS, SAMPLES, 0, ())
    for song in songs:
        song.recordings = (0, 1, None, 3)
    with pytest.raises(InputError, match="no song has the stem bass"):
        RemixedChunks(songs, STEMS, SAMPLES, 0)


def test_a_recording_of_several_stems_takes_the_place_of_each():
    songs = ramps()
    songs[0].recordings, songs[1].recordings = (0, 1, 1, 1), (None, 1, 2, 2)
    chunks = RemixedChunks(songs, STEMS, SAMPLES, 0, ("remix", "double", "gain"))
    patterns = []
    for i in range(600):
        mixture, targets = chunks[i]
        np.testing.assert_allclose(np.nansum(targets, axis=0), mixture, rtol=1e-5)
        nan = np.isnan(targets).all(axis=(1, 2))
        np.testing.assert_array_equal(nan, np.isnan(targets).any(axis=(1, 2)))
        patterns.append("".join("+" if x else "." for x in nan))
    share = {pattern: patterns.count(pattern) / 600 for pattern in set(patterns)}
    # One of six songs has drums, bass and other together; else one of five bass and other.
    assert set(share) == {"....", "..++", "...+"}
    assert share["..++"] == pytest.approx(1 / 6, abs=0.04)
    assert share["...+"] == pytest.approx(5 / 6 / 5, abs=0.04)


def test_a_recording_of_some_targets_and_others_is_left_out():
    songs = ramps()
    for song in songs[:3]:
        song.recordings = (0, 1, 2, 2)
    for targets, drawn in ((("vocals", "bass"), {3, 4, 5}), (("vocals", "drums"), set(range(6)))):
        chunks = RemixedChunks(songs, targets, SAMPLES, 0, ("remix",))
        assert not any(np.isnan(chunks[i][1]).any() for i in range(100))
        share = chunks.shares[2]
        assert set(np.flatnonzero(share)) == drawn
    with pytest.raises(InputError, match="bass and other, recorded together, must be neighbors"):
        RemixedChunks(songs, ("other", "drums", "bass"), SAMPLES, 0)
    reversed_order = RemixedChunks(songs, STEMS[::-1], SAMPLES, 0, ("remix",))
    nan = np.isnan([reversed_order[i][1] for i in range(50)]).any(axis=(2, 3))
    assert nan[:, 1].any() and not nan[:, [0, 2, 3]].any()


@pytest.mark.parametrize("left_out", augmentation_names.AUGMENTATIONS)
def test_leaving_a_step_out_keeps_the_random_numbers_of_the_others(left_out):
    """The places of the first clip of the first stem are the same in all, where speeds are."""
    steps = [
        x for x in augmentation_names.AUGMENTATIONS if x not in ("resample", "chunks", "remix")
    ]
    both = [("remix", "chunks", *(x for x in steps if x != out)) for out in (None, left_out)]
    one, other = (RemixedChunks(ramps(), STEMS, SAMPLES, 0, augment) for augment in both)
    rngs = [{n: np.random.default_rng((0, 5, i)) for i, n in enumerate(RANDOM_STEPS)} for _ in both]
    first = [x._clip(0, 15, rng)[0] for x, rng in zip((one, other), rngs, strict=True)]
    np.testing.assert_array_equal(*first)
