"""Paired comparison of two systems on the same songs, with bootstrap intervals.

Scores vary far more between songs than between systems, so the systems are compared song by song: a
difference is the score of the second system minus that of the baseline on the same song. Intervals
result from resampling songs, with all stems of a song together. They cover the choice of songs, not
the random seed of a training run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.protocols import Rule, find_rule
from keras_mmdense.evaluation.scoring import SongScores
from keras_mmdense.stems import STEMS

LABELS = ("baseline", "other system")
TAIL = 0.025  # outside a 95 % interval, on either side
RESAMPLES = 10_000
# Training the same recipe with another seed moves scores by about as much.
SEED_NOISE = 0.3
# Five songs all change in the same direction by chance in 1 of 16 cases.
FEWEST_SONGS = 6
NO_SCORE = {"SDR": np.nan}


@dataclass(frozen=True)
class Difference:
    """One statistic over songs of two systems, in dB.

    Attributes:
        baseline, other: The statistic of each system.
        difference: Other minus baseline.
        interval: Its 95 % bootstrap interval, None for a single song.
    """

    baseline: float
    other: float
    difference: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class StemComparison:
    """Two systems on one stem, or on the average over stems.

    Attributes:
        songs: Song -> other minus baseline, in dB, for songs scored for both systems.
        unscored: Songs without a finite score of both systems, which are excluded.
        median: Difference of the medians over songs.
        mean: Difference of the means over songs, which is the mean of the paired differences.
    """

    songs: Mapping[str, float]
    unscored: Sequence[str]
    median: Difference
    mean: Difference

    def verdict(self) -> str:
        """Return the result of the comparison in words, by the mean of the paired differences."""
        if not any(self.songs.values()):
            return "no difference"
        if self.mean.interval is None or len(self.songs) < FEWEST_SONGS:
            return f"too few songs to tell: {len(self.songs)}, expected {FEWEST_SONGS} or more"
        low, high = self.mean.interval
        if low <= 0 <= high:
            return "within noise: the interval includes 0"
        word = "better" if self.mean.difference > 0 else "worse"
        size = abs(self.mean.difference)
        if size < SEED_NOISE:
            return f"{word} by less than {SEED_NOISE} dB: train both with a second seed"
        return f"{word} by {size:.2f} dB"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two systems on the same songs.

    Attributes:
        stems: Stem -> comparison.
        average: The average over stems, None for a single stem. Its numbers are means of those of
            the stems; the difference of a song is the mean over its scored stems. An accompaniment
            that repeats other stems is not part of it.
        left_out: Stem -> why it is not compared.
    """

    stems: Mapping[str, StemComparison]
    average: StemComparison | None
    left_out: Mapping[str, str]

    def rows(self) -> dict[str, StemComparison]:
        """Return the comparisons by stem, and the average under "average"."""
        return {**self.stems, **({"average": self.average} if self.average else {})}


def compare(
    baseline: Sequence[SongScores],
    other: Sequence[SongScores],
    rule: Rule | str = "museval",
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare the SDR of two systems on the same songs.

    Intervals are expanded percentile intervals: the percentile bootstrap at the level that makes
    it as wide as Student's t interval for normal data. The plain one is too narrow on few songs.

    Args:
        baseline, other: Scores of each system, one entry per song.
        rule: Rule of the songs' scores. Defaults to `"museval"`.
        seed: Seed of the resampling. Defaults to `0`.
        resamples: Number of resamples. Defaults to `10000`.

    Returns:
        Differences by stem and their average, other minus baseline, in dB.

    Raises:
        InputError: If songs are missing for one system, appear twice or differ in their frames, the
            systems have no stem in common, or the rule is unknown.

    Source: Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician
    69(4), 2015.
    """
    rule = find_rule(rule)
    pairs = _pair_songs(baseline, other)
    scores, left_out = _paired_sdr(pairs, rule)
    if not scores:
        reasons = "; ".join(f"{stem}: {reason}" for stem, reason in left_out.items())
        raise InputError(f"no stem to compare: {reasons}")
    draws = np.random.default_rng(seed).integers(0, len(pairs), (resamples, len(pairs)))
    songs = list(pairs)
    stems = {stem: _compare_stems(songs, [both], draws) for stem, both in scores.items()}
    repeats = {"accompaniment"} if {*STEMS[1:]} & {*scores} else set()
    parts = [both for stem, both in scores.items() if stem not in repeats]
    average = _compare_stems(songs, parts, draws) if len(parts) > 1 else None
    return Comparison(stems, average, left_out)


def _pair_songs(
    baseline: Sequence[SongScores], other: Sequence[SongScores]
) -> dict[str, tuple[SongScores, SongScores]]:
    """Pair the scores of both systems by song, sorted by name."""
    sides = [{song.name: song for song in songs} for songs in (baseline, other)]
    for label, side, songs in zip(LABELS, sides, (baseline, other), strict=True):
        if len(side) < len(songs):
            names = [song.name for song in songs]
            twice = sorted(name for name in side if names.count(name) > 1)
            raise InputError(f"songs that the {label} has twice: {', '.join(twice)}")
        if alone := sorted(side.keys() - set.intersection(*map(set, sides))):
            raise InputError(f"songs that only the {label} has: {', '.join(alone)}")
    if not sides[0]:
        raise InputError("no songs to compare")
    pairs = {name: (sides[0][name], sides[1][name]) for name in sorted(sides[0])}
    for name, pair in pairs.items():
        if len({_frame_grid(song) for song in pair}) > 1:
            raise InputError(f"{name}: the two systems were scored on different lengths or frames")
    return pairs


def _frame_grid(song: SongScores) -> tuple[float, ...]:
    """Return number, length and hop of a song's frames."""
    counts = {len(metrics["SDR"]) for metrics in song.frames.values()}
    return *counts, song.window, song.hop


def _paired_sdr(
    pairs: Mapping[str, tuple[SongScores, SongScores]], rule: Rule
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return scores by stem, (2, songs) with NaN for both systems or none, and skipped stems."""
    sides = [[pair[side].by_rule(rule) for pair in pairs.values()] for side in (0, 1)]
    given = [{stem for song in side for stem in song} for side in sides]
    rank = {stem: place for place, stem in enumerate(STEMS)}
    scores, left_out = {}, {}
    for stem in sorted(given[0] | given[1], key=lambda stem: (rank.get(stem, len(rank)), stem)):
        if stem not in given[0] & given[1]:
            left_out[stem] = f"only the {LABELS[stem in given[1]]} has it"
            continue
        values = [[song.get(stem, NO_SCORE)["SDR"] for song in side] for side in sides]
        both = np.array(values, dtype=float)
        both[:, ~np.isfinite(both).all(axis=0)] = np.nan
        if np.isnan(both).all():
            left_out[stem] = "no song has a finite score of both systems"
        else:
            scores[stem] = both
    return scores, left_out


def _compare_stems(
    songs: Sequence[str], stems: Sequence[np.ndarray], draws: np.ndarray
) -> StemComparison:
    """Compare the mean over stems of each statistic; for stems see `_paired_sdr`."""
    paired = np.array([other - baseline for baseline, other in stems])
    scored = ~np.isnan(paired)
    differences = {
        song: float(np.mean(column[kept]))
        for song, column, kept in zip(songs, paired.T, scored.T, strict=True)
        if kept.any()
    }
    unscored = [song for song, kept in zip(songs, scored.T, strict=True) if not kept.all()]
    median, mean = (
        _difference(combine, stems, draws, len(differences))
        for combine in (np.nanmedian, np.nanmean)
    )
    return StemComparison(differences, unscored, median, mean)


def _difference(
    combine: Callable[..., np.ndarray], stems: Sequence[np.ndarray], draws: np.ndarray, songs: int
) -> Difference:
    baseline, other = np.mean([combine(both, axis=1) for both in stems], axis=0)
    if songs == 1:
        return Difference(float(baseline), float(other), float(other - baseline), None)
    with warnings.catch_warnings():  # a resample may have no scored song; it is ignored
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN slice", RuntimeWarning)
        drawn = np.mean([combine(both[:, draws], axis=2) for both in stems], axis=0)
    tail = stats.norm.cdf(np.sqrt(songs / (songs - 1)) * stats.t.ppf(TAIL, songs - 1))
    low, high = np.nanquantile(drawn[1] - drawn[0], (tail, 1 - tail))
    return Difference(
        float(baseline), float(other), float(other - baseline), (float(low), float(high))
    )
