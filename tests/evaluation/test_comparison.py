"""Paired comparison: scipy's bootstrap, known truth, and refusals."""

import numpy as np
import pytest
from scipy import stats

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.comparison import compare
from keras_mmdense.evaluation.protocols import METRICS
from keras_mmdense.evaluation.scoring import SongScores


def songs(values, stems=("vocals",)):
    """One song a row of `values`, one stem a column, each of one frame."""
    return [
        SongScores(
            f"song {number}",
            44100,
            1.0,
            1.0,
            {
                stem: dict.fromkeys(METRICS, np.array([v]))
                for stem, v in zip(stems, row, strict=True)
            },
        )
        for number, row in enumerate(np.reshape(values, (len(values), -1)).tolist())
    ]


def pair(count, difference=0.5, seed=0):
    """Scores of two systems on the same songs, which differ more between songs."""
    random = np.random.default_rng(seed)
    baseline = random.normal(2, 3, count)
    return baseline, baseline + random.normal(difference, 1, count)


def level(count):
    """Hesterberg's level at which percentile intervals are as wide as Student's."""
    return 1 - 2 * stats.norm.cdf(-np.sqrt(count / (count - 1)) * stats.t.ppf(0.975, count - 1))


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_intervals_are_those_of_scipys_paired_bootstrap(statistic):
    baseline, other = pair(14)
    combine = getattr(np, statistic)
    found = getattr(compare(songs(baseline), songs(other)).stems["vocals"], statistic)
    assert found.baseline == pytest.approx(combine(baseline), abs=1e-12)
    assert found.other == pytest.approx(combine(other), abs=1e-12)
    assert found.difference == pytest.approx(combine(other) - combine(baseline), abs=1e-12)
    expected = stats.bootstrap(
        (other, baseline),
        lambda b, a, axis: combine(b, axis=axis) - combine(a, axis=axis),
        paired=True,
        n_resamples=50_000,
        confidence_level=level(14),
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    np.testing.assert_allclose(found.interval, expected, atol=0.06)


def test_interval_of_the_mean_is_as_wide_as_students():
    baseline, other = pair(14, seed=3)
    low, high = compare(songs(baseline), songs(other)).stems["vocals"].mean.interval
    student = stats.ttest_rel(other, baseline).confidence_interval()
    assert high - low == pytest.approx(student.high - student.low, rel=0.08)


@pytest.mark.parametrize("difference", [0.0, 2.0])
def test_intervals_cover_the_truth_as_often_as_they_say(difference):
    """Comparisons of 14 songs: 95 % of the intervals hold the true difference."""
    found = [
        compare(*map(songs, pair(14, difference, seed)), seed=seed, resamples=300).stems["vocals"]
        for seed in range(200)
    ]
    covered = np.mean([one.mean.interval[0] <= difference <= one.mean.interval[1] for one in found])
    assert 0.915 <= covered <= 0.98
    noise = np.mean([one.verdict().startswith("within noise") for one in found])
    assert noise == covered if difference == 0 else noise == 0


def test_swapped_systems_have_the_opposite_difference():
    baseline, other = pair(10)
    there = compare(songs(baseline), songs(other)).stems["vocals"]
    back = compare(songs(other), songs(baseline)).stems["vocals"]
    for one, two in ((there.mean, back.mean), (there.median, back.median)):
        assert (one.baseline, one.other) == (two.other, two.baseline)
        assert one.difference == -two.difference
        np.testing.assert_allclose(one.interval, np.negative(two.interval)[::-1], atol=1e-12)
    assert there.songs == {song: -value for song, value in back.songs.items()}


def test_order_of_songs_does_not_matter():
    one, two = map(songs, pair(10))
    assert compare(one, two).stems["vocals"].mean == compare(one[::-1], two).stems["vocals"].mean


def test_identical_systems_do_not_differ():
    system = songs(np.random.default_rng(0).normal(2, 3, (14, 2)), ("vocals", "drums"))
    for row in compare(system, system).rows().values():
        for found in (row.mean, row.median):
            assert found.difference == 0 and found.interval == (0, 0)
        assert row.verdict() == "no difference"


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ([0.2, 0.25, 0.2, 0.25, 0.2, 0.2], "better by less than 0.3 dB: train both with a second"),
        ([-0.2, -0.25, -0.2, -0.25, -0.2, -0.2], "worse by less than 0.3 dB: train both"),
        ([1, 2, 1, 2, 1, 2], "better by 1.50 dB"),
        ([-1, -2, -1, -2, -1, -2], "worse by 1.50 dB"),
        ([3, -2, 3, -2, 1, 1], "within noise: the interval includes 0"),
        ([1, 1, 1, 1, 1], "too few songs to tell: 5, expected 6 or more"),
        ([2], "too few songs to tell: 1"),
    ],
)
def test_verdicts(differences, words):
    found = compare(songs(np.zeros(len(differences))), songs(differences)).stems["vocals"]
    assert found.verdict().startswith(words)
    assert (found.mean.interval is None) == (len(differences) == 1)


def test_average_is_the_mean_of_the_stems_without_a_repeated_accompaniment():
    stems = ("vocals", "drums", "bass", "other", "accompaniment")
    random = np.random.default_rng(0)
    baseline, other = (songs(random.normal(2, 3, (14, 5)), stems) for _ in range(2))
    found = compare(baseline, other)
    assert list(found.rows()) == [*stems, "average"]
    for statistic in ("mean", "median"):
        rows = [getattr(found.stems[stem], statistic) for stem in stems[:4]]
        average = getattr(found.average, statistic)
        for field in ("baseline", "other", "difference"):
            expected = np.mean([getattr(row, field) for row in rows])
            assert getattr(average, field) == pytest.approx(expected, abs=1e-12)
    # Resampled together: the interval is that of the songs' averages.
    averages = [songs([np.mean([song.frames[s]["SDR"] for s in stems[:4]]) for song in system])
                for system in (baseline, other)]  # fmt: skip
    alone = compare(*averages).stems["vocals"]
    np.testing.assert_allclose(found.average.mean.interval, alone.mean.interval, atol=1e-12)
    assert [*found.average.songs.values()] == pytest.approx([*alone.songs.values()])


def test_vocals_and_accompaniment_are_averaged_and_a_single_stem_is_not():
    pairs = [songs(np.ones((6, 2)) + i, ("vocals", "accompaniment")) for i in (0, 1)]
    assert compare(*pairs).average.mean.difference == 1
    assert compare(*map(songs, pair(6))).average is None


def test_songs_without_a_score_are_named_and_do_not_count():
    stems = ("vocals", "bass")
    baseline = songs([[1, 1], [2, np.nan], [3, np.inf], [4, 4]], stems)
    other = songs([[2, 3], [3, 5], [4, 5], [5, np.nan]], stems)
    found = compare(baseline, other)
    bass = found.stems["bass"]
    assert bass.unscored == ["song 1", "song 2", "song 3"]
    assert bass.songs == {"song 0": 2.0} and bass.mean.difference == 2.0
    assert (bass.mean.baseline, bass.mean.other) == (1.0, 3.0)
    assert found.stems["vocals"].unscored == []
    assert found.average.unscored == bass.unscored
    assert found.average.songs == {"song 0": 1.5, "song 1": 1.0, "song 2": 1.0, "song 3": 1.0}
    assert found.average.mean.difference == 1.5


def test_stems_of_one_system_are_named():
    both = songs(np.ones((6, 2)), ("vocals", "drums")), songs(np.ones((6, 1)))
    assert compare(*both).left_out == {"drums": "only the baseline has it"}
    assert compare(*both[::-1]).left_out == {"drums": "only the other system has it"}
    silent = songs(np.full((6, 1), np.nan))
    with pytest.raises(InputError, match="no stem to compare: vocals: no song has a finite"):
        compare(both[0], silent)


def test_songs_that_do_not_pair_are_refused_by_name():
    three = songs([1, 2, 3])
    with pytest.raises(InputError, match=r"only the baseline has: song 0, song 1$"):
        compare(three, three[2:])
    with pytest.raises(InputError, match=r"only the other system has: song 2$"):
        compare(three[:2], three)
    with pytest.raises(InputError, match=r"the other system has twice: song 1$"):
        compare(three, [*three, three[1]])
    with pytest.raises(InputError, match="no songs"):
        compare([], [])
    longer = SongScores(
        "song 2", 44100, 1.0, 1.0, {"vocals": {metric: np.ones(2) for metric in METRICS}}
    )
    with pytest.raises(
        InputError, match="song 2: the two systems were scored on different lengths"
    ):
        compare(three, [*three[:2], longer])


def test_rule_makes_the_song_scores():
    frames = [np.array([0.0, 0.0, 9.0]), np.array([1.0, 1.0, 1.0])]
    systems = [
        [SongScores(n, 8000, 1.0, 1.0, {"vocals": dict.fromkeys(METRICS, f)}) for n in "abcdef"]
        for f in frames
    ]
    assert compare(*systems, "museval").stems["vocals"].mean.difference == 1
    assert compare(*systems, "dsd100").stems["vocals"].mean.difference == -2
