"""Scores against museval itself, and the rules on hand-made numbers."""

import builtins
from dataclasses import dataclass

import numpy as np
import pytest

from keras_mmdense.evaluation import scores as module
from keras_mmdense.evaluation.scores import (
    METRICS,
    SongScores,
    evaluate_songs,
    score_song,
    summarize,
)

RATE = 4000
STEMS = ("vocals", "drums", "bass", "other")


def noise(seed, seconds=2.0, channels=1):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((int(seconds * RATE), channels)).astype(np.float32)


def songs_stems(channels=1, seconds=2.0):
    return {stem: noise(seed, seconds, channels) for seed, stem in enumerate(STEMS)}


def leaky(references, leak=0.2):
    mixture = sum(references.values())
    return {
        stem: audio + leak * (mixture - audio) + 0.1 * noise(9, len(audio) / RATE, audio.shape[1])
        for stem, audio in references.items()
    }


def direct(references, estimates, window=RATE, hop=RATE):
    museval = pytest.importorskip("museval")
    references, estimates = np.float64(references), np.float64(estimates)
    sdr, isr, sir, sar = museval.evaluate(
        references, estimates, win=window, hop=hop, mode="v4", padding=False
    )
    return {"SDR": sdr, "ISR": isr, "SIR": sir, "SAR": sar}


def assert_frames(song, stem, expected, index):
    for metric in METRICS:
        np.testing.assert_allclose(song.frames[stem][metric], expected[metric][index], atol=1e-9)


def flat_scores(frames, silent=None):
    metrics = {metric: np.array(frames, float) for metric in METRICS}
    return SongScores("song", RATE, 1.0, 1.0, {"vocals": metrics}, silent or {})


@dataclass
class Song:
    name: str
    audio: dict
    sample_rate: int = RATE

    @property
    def samples(self):
        return len(self.audio["vocals"])

    def stems(self):
        return dict(self.audio)


@pytest.mark.parametrize(("window", "hop", "channels"), [(1.0, 1.0, 2), (0.7, 0.45, 1)])
def test_equals_museval(window, hop, channels):
    references = songs_stems(channels)
    estimates = leaky(references)
    song = score_song(references, dict(reversed(estimates.items())), RATE, window, hop, "a")
    expected = direct(
        list(references.values()), list(estimates.values()), int(window * RATE), int(hop * RATE)
    )
    assert list(song.frames) == list(STEMS)
    assert not song.silent
    for index, stem in enumerate(STEMS):
        assert_frames(song, stem, expected, index)


def test_song_shorter_than_a_window_is_one_frame():
    references = songs_stems(seconds=0.5)
    song = score_song(references, leaky(references), RATE)
    expected = direct(list(references.values()), list(leaky(references).values()))
    assert expected["SDR"].shape == (4, 1)
    for index, stem in enumerate(STEMS):
        assert_frames(song, stem, expected, index)


def test_vocals_alone_are_scored_beside_accompaniment():
    references = songs_stems()
    vocals = leaky(references)["vocals"]
    accompaniment = sum(np.float64(references[stem]) for stem in STEMS[1:])
    mixture = sum(np.float64(audio) for audio in references.values())
    song = score_song(references, {"vocals": vocals}, RATE)
    expected = direct([references["vocals"], accompaniment], [vocals, mixture - vocals])
    assert list(song.frames) == ["vocals", "accompaniment"]
    assert_frames(song, "vocals", expected, 0)
    np.testing.assert_allclose(song.frames["accompaniment"]["SDR"], expected["SDR"][1], rtol=1e-12)


def test_given_accompaniment_is_used_and_other_subsets_get_a_remainder():
    references = songs_stems()
    estimates = {"vocals": noise(7), "accompaniment": noise(8)}
    accompaniment = sum(np.float64(references[stem]) for stem in STEMS[1:])
    expected = direct([references["vocals"], accompaniment], list(estimates.values()))
    song = score_song(references, estimates, RATE)
    np.testing.assert_allclose(song.frames["accompaniment"]["SDR"], expected["SDR"][1], rtol=1e-12)
    pair = score_song(references, {"bass": noise(7), "drums": noise(8)}, RATE)
    assert list(pair.frames) == ["drums", "bass", "remainder"]


def test_silent_reference_is_left_out_and_counted():
    references = songs_stems()
    estimates = leaky(references)
    references["bass"] = np.zeros_like(references["bass"])
    song = score_song(references, estimates, RATE)
    heard = [stem for stem in STEMS if stem != "bass"]
    expected = direct([references[s] for s in heard], [estimates[s] for s in heard])
    for index, stem in enumerate(heard):
        assert_frames(song, stem, expected, index)
    assert song.silent == {"bass": "reference"}
    assert np.isnan(song.frames["bass"]["SDR"]).all()
    assert song.frames["bass"]["SDR"].shape == (2,)
    row = summarize([song])["bass"]
    assert (row["songs"], row["silent"]) == (0, 1)
    assert np.isnan(row["SDR"])


def test_silent_estimate_is_counted_and_does_not_touch_the_others():
    references = songs_stems()
    estimates = leaky(references)
    whole = score_song(references, estimates, RATE)
    song = score_song(references, {**estimates, "drums": 0 * estimates["drums"]}, RATE)
    assert song.silent == {"drums": "estimate"}
    assert np.isnan(song.frames["drums"]["SAR"]).all()
    for stem in ("vocals", "bass", "other"):
        for metric in METRICS:
            before = whole.frames[stem][metric]
            np.testing.assert_allclose(song.frames[stem][metric], before, atol=1e-9)


def test_partly_silent_frame_is_nan_for_all_and_passed_over():
    references = songs_stems(seconds=3.0)
    references["bass"][:RATE] = 0
    song = score_song(references, leaky(references), RATE)
    for stem in STEMS:
        values = song.frames[stem]["SDR"]
        assert np.isnan(values).tolist() == [True, False, False]
        assert song.medians()[stem]["SDR"] == pytest.approx(np.mean(values[1:]))


def test_no_frame_in_which_all_sound_is_counted_as_silent():
    references = {"vocals": noise(0), "other": noise(1)}
    references["vocals"][:RATE] = 0
    references["other"][RATE:] = 0
    song = score_song(references, leaky(references), RATE)
    assert song.silent == {"vocals": "frames", "other": "frames"}
    assert summarize([song])["vocals"]["silent"] == 1


def test_opposite_channels_count_as_silent_because_museval_refuses_them():
    references = songs_stems(channels=2)
    references["other"][:, 1] = -references["other"][:, 0]
    assert score_song(references, leaky(references), RATE).silent["other"] == "reference"


def test_all_silent_needs_no_museval(monkeypatch):
    monkeypatch.setattr(module, "bsseval", None)
    zeros = {stem: np.zeros((2 * RATE, 1)) for stem in STEMS}
    assert set(score_song(zeros, zeros, RATE).silent.values()) == {"reference"}


def test_perfect_estimate_scores_infinity():
    references = songs_stems()
    song = score_song(references, references, RATE)
    assert song.medians()["vocals"]["SDR"] == np.inf
    assert not song.silent
    row = summarize([song, score_song(references, leaky(references), RATE)])["vocals"]
    assert row["SDR"] == np.inf
    assert row["songs"] == 2


def test_singular_references_are_scored_on_every_numpy():
    impulse = np.zeros((RATE, 2))
    impulse[0] = 2.0
    references = {"vocals": impulse}
    before = "linalg" in vars(np.linalg)
    song = score_song(references, {"vocals": impulse + 0.1 * noise(0, 1.0, 2)}, RATE)
    assert np.isfinite(song.frames["vocals"]["SDR"]).all()
    assert ("linalg" in vars(np.linalg)) == before


def test_rule_is_median_of_medians_without_nan():
    songs = [
        flat_scores([1, 3, np.nan, 100]),
        flat_scores([np.nan, 5]),
        flat_scores([9, 7, 8, 8]),
        flat_scores([np.nan, np.nan], {"vocals": "reference"}),
    ]
    row = summarize(songs)["vocals"]
    assert row == {**dict.fromkeys(METRICS, 5.0), "songs": 3, "silent": 1}


def test_rule_must_be_known():
    with pytest.raises(ValueError, match=r"'mean'.*museval"):
        summarize([], rule="mean")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, e: (r, {**e, "bass": e["bass"][:-1]}), r"bass .*\(8000, 1\).*\(7999, 1\)"),
        (lambda r, e: ({s: a[:, 0] for s, a in r.items()}, e), r"\(8000,\)"),
        (lambda r, e: ({**r, "bass": noise(0, 1.0)}, e), r"one shape.*\(4000, 1\)"),
        (lambda r, e: ({}, e), r"received \{\}"),
        (lambda r, e: (r, {"piano": e["bass"]}), r"no estimate.*piano"),
        (lambda r, e: (r, {**e, "piano": e["bass"]}), r"unknown stems \['piano'\]"),
        (lambda r, e: (r, {**e, "bass": e["bass"] * np.nan}), "bass has 8000 values"),
    ],
)
def test_bad_stems_are_refused_with_what_was_received(change, message):
    references = songs_stems()
    with pytest.raises(ValueError, match=message):
        score_song(*change(references, leaky(references)), RATE)


@pytest.mark.parametrize("values", [(0, 1.0, 1.0), (RATE, 0.0, 1.0), (RATE, 1.0, -1.0)])
def test_bad_rates_are_refused(values):
    references = songs_stems()
    with pytest.raises(ValueError, match=f"hop={values[2]} s, sample_rate={values[0]} Hz"):
        score_song(references, references, *values)


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (ModuleNotFoundError("No module named 'museval'"), ImportError, r"keras-mmdense\[eval\]"),
        (RuntimeError("ffmpeg or ffprobe could not be found!"), RuntimeError, "needs ffmpeg"),
    ],
)
def test_missing_museval_or_ffmpeg_is_said_in_one_line(monkeypatch, raised, expected, message):
    real = builtins.__import__

    def importing(name, *args, **kwargs):
        if name == "museval":
            raise raised
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    references = songs_stems()
    with pytest.raises(expected, match=message) as caught:
        score_song(references, references, RATE)
    assert "\n" not in str(caught.value)


def test_evaluate_songs_scores_systems_beside_baselines():
    songs = [Song("one", songs_stems()), Song("two", songs_stems(seconds=1.0))]
    heard, steps = [], []

    def separate(mixture, sample_rate):
        heard.append((mixture.copy(), sample_rate))
        mixture *= 0.5
        return {"vocals": mixture}

    results = evaluate_songs(songs, {"half": separate}, lambda *step: steps.append(step))
    assert list(results) == ["half", "mixture", "ideal ratio mask"]
    np.testing.assert_allclose(heard[0][0], sum(songs[0].audio.values()), atol=1e-6)
    assert heard[0][1] == RATE
    assert [done for done, _, _ in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[0] == (1, 6, "one: half")
    for scores in results.values():
        assert [song.name for song in scores] == ["one", "two"]
        assert list(scores[0].frames) == ["vocals", "accompaniment"]
    mixture = sum(np.float64(audio) for audio in songs[1].audio.values())
    accompaniment = mixture - songs[1].audio["vocals"]
    expected = direct([songs[1].audio["vocals"], accompaniment], [mixture, mixture])
    got = results["mixture"][1].frames
    np.testing.assert_allclose(got["vocals"]["SDR"], expected["SDR"][0], atol=1e-4)
    np.testing.assert_allclose(got["accompaniment"]["SDR"], expected["SDR"][1], atol=1e-4)


def test_evaluate_songs_without_systems_gives_the_baselines_of_all_stems():
    results = evaluate_songs([Song("one", songs_stems(seconds=1.0))], {})
    assert list(results["mixture"][0].frames) == list(STEMS)
    assert list(results["ideal ratio mask"][0].frames) == list(STEMS)
    assert evaluate_songs([], {}, baselines=False) == {}


def test_evaluate_songs_names_song_and_system_of_a_bad_estimate():
    songs = [Song("one", songs_stems())]
    with pytest.raises(ValueError, match=r"one, short: estimate of vocals"):
        evaluate_songs(songs, {"short": lambda mixture, rate: {"vocals": mixture[:-1]}})
    with pytest.raises(ValueError, match=r"\['mixture'\]"):
        evaluate_songs(songs, {"mixture": lambda mixture, rate: {}})
