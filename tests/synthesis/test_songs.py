"""The synthesized songs: shapes, determinism, and that stems sound like what they are."""

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from keras_mmdense.stems import STEMS
from keras_mmdense.synthesis.parts import write_bass, write_drums, write_melody
from keras_mmdense.synthesis.songs import synthesize, write_songs
from keras_mmdense.synthesis.songwriting import plan_song

RATE = 44100


@pytest.fixture(scope="module")
def songs() -> dict[int, dict[str, np.ndarray]]:
    return {seed: synthesize(seed, 12.0) for seed in range(5)}


def mono(sound: np.ndarray) -> np.ndarray:
    return sound.mean(axis=1)


def power_spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frequency = np.fft.rfftfreq(len(sound), 1 / RATE)
    return frequency, np.abs(np.fft.rfft(mono(sound))) ** 2


def centroid(sound: np.ndarray) -> float:
    frequency, _, spectrum = signal.stft(mono(sound), RATE, nperseg=2048, noverlap=0)
    level = np.abs(spectrum).sum(axis=0) + 1e-9
    return float(np.average(frequency @ np.abs(spectrum) / level, weights=level))


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    seconds=st.floats(0.001, 3.0),
    rate=st.sampled_from((8000, 16000, 22050, 44100, 48000)),
)
def test_every_length_and_rate_gives_exact_finite_stems_in_range(seed, seconds, rate):
    stems = synthesize(seed, seconds, rate)
    assert tuple(stems) == STEMS
    for sound in (*stems.values(), sum(stems.values())):
        assert sound.shape == (round(seconds * rate), 2)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 0.9


def test_equal_seeds_give_equal_bytes_whatever_was_called_before(songs):
    np.random.default_rng(0).normal()
    again = synthesize(3, 12.0)
    assert all(again[stem].tobytes() == songs[3][stem].tobytes() for stem in STEMS)


def test_other_seeds_give_other_songs(songs):
    for stem in STEMS:
        assert len({song[stem].tobytes() for song in songs.values()}) == len(songs)


def test_stems_have_no_offset_and_start_and_end_in_silence(songs):
    for song in songs.values():
        for sound in song.values():
            assert np.abs(sound.mean(axis=0)).max() < 1e-4
            assert np.abs(sound[[0, -1]]).max() < 1e-4


def test_the_four_stems_mostly_sound_together(songs):
    for song in songs.values():
        power = np.stack(
            [(mono(sound).reshape(24, -1) ** 2).mean(axis=1) for sound in song.values()]
        )
        sounding = power > 1e-3 * power.max(axis=1, keepdims=True)
        assert sounding.any(axis=1).all()
        assert sounding.all(axis=0).mean() > 1 / 3


@pytest.mark.parametrize("seed", range(40))
def test_any_ten_seconds_of_a_plan_hold_three_stems(seed):
    song = plan_song(seed, 20.0)
    bar = 16 * song.step_seconds
    assert len(song.section_of_bar) * bar >= 20.0
    full = [set(STEMS) <= section.stems for section in song.section_of_bar]
    assert np.mean(full) > 0.5
    for first in np.arange(0.0, 10.0, 0.5):
        bars = song.section_of_bar[int(first / bar) : int((first + 10) / bar) + 1]
        assert len(frozenset().union(*(section.stems for section in bars))) >= 3


def test_bass_lies_below_vocals_and_vocals_below_cymbals(songs):
    for song in songs.values():
        bass, vocals = centroid(song["bass"]), centroid(song["vocals"])
        assert bass < 600
        assert 800 < vocals < 4500
        frequency, power = power_spectrum(song["drums"])
        high = frequency > 3000
        cymbals = np.average(frequency[high], weights=power[high])
        assert 5000 < cymbals < 12000
        assert power[high].sum() > 0.005 * power.sum()


def test_bass_energy_lies_below_300_hz(songs):
    for song in songs.values():
        frequency, power = power_spectrum(song["bass"])
        assert power[frequency < 300].sum() > 0.75 * power.sum()


def test_vocals_are_sung_with_vibrato():
    sung, sway = [], []
    for seed in range(2):
        voice = mono(synthesize(seed, 6.0, 8000)["vocals"])
        pitch, voiced, _ = librosa.pyin(voice, fmin=70, fmax=900, sr=8000, frame_length=1024)
        sung.append(voiced.mean())
        assert np.all((pitch[voiced] > 75) & (pitch[voiced] < 850))
        semitones = 12 * np.log2(pitch)
        steady = np.lib.stride_tricks.sliding_window_view(semitones, 12)
        spans = np.ptp(steady, axis=1)
        spans = spans[np.isfinite(spans) & (spans < 1.5)]
        sway.append(np.percentile(spans, 75))
    assert min(sung) > 0.3
    assert max(sway) > 0.25


def test_drum_onsets_lie_on_the_tempo_grid(songs):
    for seed in (0, 2, 4):
        plan = plan_song(seed, 12.0)
        onsets = librosa.onset.onset_detect(
            y=mono(songs[seed]["drums"]), sr=RATE, hop_length=256, units="time"
        )
        grid = np.array([plan.time(step) for step in range(16 * len(plan.section_of_bar) + 1)])
        distance = np.array([grid[np.abs(grid - onset).argmin()] - onset for onset in onsets])
        assert len(onsets) > 15
        assert (np.abs(distance - np.median(distance)) < 0.02).mean() > 0.9


def test_parts_keep_to_their_sections_and_the_scale():
    for seed in range(10):
        plan, rng = plan_song(seed, 30.0), np.random.default_rng(seed)
        scale = {plan.pitch(degree, 0) % 12 for degree in range(7)}
        notes = {
            "bass": write_bass(plan, rng),
            "vocals": [note for phrase in write_melody(plan, rng, "vocals", 60) for note in phrase],
            "drums": write_drums(plan, rng),
        }
        for stem, part in notes.items():
            assert part
            for note in part:
                bar = int((note.start + 0.02) / (16 * plan.step_seconds))
                assert stem in plan.section_of_bar[bar].stems
        assert all(note.pitch % 12 in scale for note in notes["bass"] + notes["vocals"])


def test_songs_are_written_like_musdb(tmp_path):
    calls = []
    folders = write_songs(
        tmp_path, 2, 1.5, 7, subset="test", sample_rate=16000, progress=lambda *n: calls.append(n)
    )
    assert calls == [(1, 2), (2, 2)]
    assert sorted((tmp_path / "test").iterdir()) == folders
    assert [folder.name[:13] for folder in folders] == ["Synth 0000 - ", "Synth 0001 - "]
    for folder in folders:
        files = {path.stem: soundfile.read(path, dtype="int16") for path in folder.iterdir()}
        assert set(files) == {"mixture", *STEMS}
        assert soundfile.info(folder / "mixture.wav").subtype == "PCM_16"
        assert all(rate == 16000 and sound.shape == (24000, 2) for sound, rate in files.values())
        total = sum(files[stem][0].astype(int) for stem in STEMS)
        assert np.array_equal(files["mixture"][0], total)


def test_a_song_depends_on_its_seed_and_place_alone(tmp_path):
    one = write_songs(tmp_path / "one", 1, 0.5, 3)[0]
    both = write_songs(tmp_path / "both", 2, 0.5, 3)[0]
    assert one.name == both.name
    for path in one.iterdir():
        assert path.read_bytes() == (both / path.name).read_bytes()


def test_an_interrupted_write_leaves_no_song(tmp_path, monkeypatch):
    write, count = soundfile.write, iter(range(100))

    def failing(*args, **kwargs):
        if next(count) == 2:
            raise OSError("disk full")
        write(*args, **kwargs)

    monkeypatch.setattr(soundfile, "write", failing)
    with pytest.raises(OSError, match="disk full"):
        write_songs(tmp_path, 1, 0.5, 0)
    assert list((tmp_path / "train").iterdir()) == []


def test_an_existing_song_stays_as_it_is(tmp_path):
    folder = write_songs(tmp_path, 1, 0.5, 0)[0]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FileExistsError, match=folder.name):
        write_songs(tmp_path, 1, 0.5, 0)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("tracks", "seconds", "received"),
    [(0, 1.0, "0"), (-2, 1.0, "-2"), (1, 0.0, "0.0"), (1, -3.5, "-3.5")],
)
def test_impossible_sizes_are_refused(tmp_path, tracks, seconds, received):
    with pytest.raises(ValueError, match=received):
        write_songs(tmp_path, tracks, seconds, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seconds", "rate", "received"),
    [(0.0, RATE, "0.0"), (-1.0, RATE, "-1.0"), (float("nan"), RATE, "nan"), (1.0, 4000, "4000")],
)
def test_impossible_lengths_and_rates_are_refused(seconds, rate, received):
    with pytest.raises(ValueError, match=received):
        synthesize(0, seconds, rate)
