"""Scores against museval itself, and the rules on hand-made numbers."""

import builtins
from types import SimpleNamespace

import numpy as np
import pytest

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation import museval_engine
from keras_mmdense.evaluation.protocols import METRICS, RULES, Rule
from keras_mmdense.evaluation.scoring import SongScores, score_song, summarize

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


def direct(references, estimates, window=RATE, hop=RATE, mode="v4"):
    museval = pytest.importorskip("museval")
    references, estimates = np.float64(references), np.float64(estimates)
    sdr, isr, sir, sar = museval.evaluate(
        references, estimates, win=window, hop=hop, mode=mode, padding=False
    )
    return {"SDR": sdr, "ISR": isr, "SIR": sir, "SAR": sar}


def assert_frames(song, stem, expected, index):
    for metric in METRICS:
        np.testing.assert_allclose(song.frames[stem][metric], expected[metric][index], atol=1e-9)


def flat_scores(frames, silent=None):
    metrics = {metric: np.array(frames, float) for metric in METRICS}
    return SongScores("song", RATE, 1.0, 1.0, {"vocals": metrics}, silent or {})


@pytest.mark.parametrize(
    ("mode", "window", "hop", "channels"),
    [("v4", 1.0, 1.0, 1), ("v4", 0.7, 0.45, 1), ("v3", 1.2, 0.8, 1)],
)
def test_equals_museval(mode, window, hop, channels):
    references = songs_stems(channels)
    estimates = leaky(references)
    rule = Rule("own", mode, window, hop, "mean")
    song = score_song(references, dict(reversed(estimates.items())), RATE, rule, name="a")
    frames = {"window": int(window * RATE), "hop": int(hop * RATE), "mode": mode}
    expected = direct(list(references.values()), list(estimates.values()), **frames)
    assert (song.name, song.window, song.hop) == ("a", window, hop)
    assert list(song.frames) == [*STEMS, "accompaniment"]
    assert not song.silent
    for index, stem in enumerate(STEMS[1:], 1):
        assert_frames(song, stem, expected, index)
    others = [
        sum(np.float64(stems[stem]) for stem in STEMS[1:]) for stems in (references, estimates)
    ]
    pair = [
        [stems["vocals"], sound]
        for stems, sound in zip((references, estimates), others, strict=True)
    ]
    for index, stem in enumerate(("vocals", "accompaniment")):
        assert_frames(song, stem, direct(*pair, **frames), index)


def test_four_stems_equal_musevals_own_evaluation_of_a_track():
    museval = pytest.importorskip("museval")
    references = {stem: np.float64(audio) for stem, audio in songs_stems().items()}
    estimates = {stem: np.float64(audio) for stem, audio in leaky(references).items()}
    for stems in (references, estimates):
        stems["accompaniment"] = stems["drums"] + stems["bass"] + stems["other"]
    targets = {stem: SimpleNamespace(audio=audio) for stem, audio in references.items()}
    track = SimpleNamespace(name="a", rate=RATE, targets=targets)
    store = museval.eval_mus_track(track, estimates)
    given = {stem: references[stem] for stem in STEMS}
    song = score_song(given, {stem: estimates[stem] for stem in STEMS}, RATE)
    assert {target["name"] for target in store.scores["targets"]} == set(song.frames)
    for target in store.scores["targets"]:
        for metric in METRICS:
            # museval's store rounds to five digits
            expected = [float(frame["metrics"][metric]) for frame in target["frames"]]
            np.testing.assert_allclose(song.frames[target["name"]][metric], expected, atol=6e-6)


def test_song_shorter_than_a_window_is_one_frame():
    references = songs_stems(seconds=0.5)
    song = score_song(references, leaky(references), RATE)
    expected = direct(list(references.values()), list(leaky(references).values()))
    assert expected["SDR"].shape == (4, 1)
    assert song.window == 0.5
    for index, stem in enumerate(STEMS[1:], 1):
        assert_frames(song, stem, expected, index)


def test_vocals_alone_are_scored_beside_accompaniment():
    references = songs_stems(channels=2)
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
    for index, stem in enumerate(heard[1:], 1):
        assert_frames(song, stem, expected, index)
    assert song.silent == {"bass": "reference"}
    assert np.isfinite(song.medians()["accompaniment"]["SIR"])
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
    for stem in ("bass", "other"):
        for metric in METRICS:
            before = whole.frames[stem][metric]
            np.testing.assert_allclose(song.frames[stem][metric], before, atol=1e-9)


def test_partly_silent_frame_is_nan_for_all_and_passed_over():
    references = songs_stems(seconds=3.0)
    references["bass"][:RATE] = 0
    song = score_song(references, leaky(references), RATE)
    for stem in STEMS[1:]:
        values = song.frames[stem]["SDR"]
        assert np.isnan(values).tolist() == [True, False, False]
        assert song.medians()[stem]["SDR"] == pytest.approx(np.mean(values[1:]))
    for stem in ("vocals", "accompaniment"):
        assert np.isfinite(song.frames[stem]["SDR"]).all()


def test_no_frame_in_which_all_sound_is_counted_as_silent():
    references = {"vocals": noise(0), "other": noise(1)}
    references["vocals"][:RATE] = 0
    references["other"][RATE:] = 0
    song = score_song(references, leaky(references), RATE)
    assert song.silent == {"vocals": "frames", "other": "frames"}
    assert summarize([song])["vocals"]["silent"] == 1


def test_opposite_channels_count_as_silent_because_museval_refuses_them():
    references = {"vocals": noise(0, channels=2), "other": noise(1, channels=2)}
    references["other"][:, 1] = -references["other"][:, 0]
    assert score_song(references, leaky(references), RATE).silent["other"] == "reference"


def test_all_silent_needs_no_museval(monkeypatch):
    monkeypatch.setattr(museval_engine, "bsseval", lambda *args, **options: pytest.fail("ran"))
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


def test_dsd100_is_the_median_over_songs_of_means_over_windows():
    songs = [
        flat_scores([1, 3, np.nan, 100]),
        flat_scores([np.nan, 5]),
        flat_scores([9, 7, 8, 10]),
        flat_scores([np.nan, np.nan], {"vocals": "reference"}),
    ]
    row = summarize(songs, "dsd100")["vocals"]
    assert row == {**dict.fromkeys(METRICS, 8.5), "songs": 3, "silent": 1}
    assert songs[0].means()["vocals"]["SDR"] == pytest.approx(104 / 3)
    rule = RULES["dsd100"]
    assert (rule.mode, rule.window, rule.hop) == ("v3", 30.0, 15.0)


def test_dsd100_makes_windows_of_30_s_every_15_s():
    rate = 200
    generator = np.random.default_rng(0)
    for seconds, windows, length in (
        (20, 1, 20),
        (30, 1, 30),
        (44, 1, 30),
        (45, 2, 30),
        (75, 4, 30),
    ):
        vocals, other = generator.standard_normal((2, seconds * rate, 1))
        references = {"vocals": vocals, "other": other}
        estimates = {"vocals": vocals + 0.1 * other, "other": other + 0.2 * vocals}
        song = score_song(references, estimates, rate, "dsd100")
        assert song.frames["vocals"]["SDR"].shape == (windows,)
        assert song.window == length
        for index in range(windows):
            part = slice(15 * index * rate, (15 * index + 30) * rate)
            alone = direct(
                [vocals[part], other[part]], [x[part] for x in estimates.values()], 10**9, 10**9
            )
            np.testing.assert_allclose(
                [song.frames["vocals"][metric][index] for metric in METRICS],
                [alone[metric][0, 0] for metric in METRICS],
                atol=1e-7,
            )


def test_rule_and_engine_must_be_known_and_go_together():
    with pytest.raises(InputError, match=r"'mean'.*museval, dsd100"):
        summarize([], rule="mean")
    references = songs_stems()
    with pytest.raises(InputError, match=r"'slow'.*museval, fast"):
        score_song(references, references, RATE, engine="slow")
    with pytest.raises(InputError, match="fast computes v4 only"):
        score_song(references, references, RATE, "dsd100", engine="fast")


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
    rate, window, hop = values
    with pytest.raises(ValueError, match=f"hop={hop} s, sample_rate={rate} Hz"):
        score_song(references, references, rate, Rule("own", "v4", window, hop, "median"))


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
