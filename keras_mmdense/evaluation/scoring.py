"""BSSEval scores of separated songs, summarized as in published evaluations.

BSSEval needs all sources. If some stems have no estimate, the sum of their references is one more
stem, whose estimate is the mixture minus all estimates: a vocals network is scored on vocals and
accompaniment (`rest_name`). An estimate with that name is used instead.

If every stem has an estimate, vocals and accompaniment are scored as a separate pair, as in
`museval.eval_mus_track`: the vocals' scores are those of the pair, and the accompaniment is the sum
of the other stems, with their sum as its estimate unless there is one.

museval rejects signals whose channels sum to zero at every sample. Such a reference is left out,
and such an estimate is not scored; both have NaN frames and an entry in `SongScores.silent`, and
are counted in every summary. A frame in which any reference or estimate is silent is NaN for all
stems and is excluded from summaries. An estimate equal to its reference scores infinity.

museval solves for the filters of all sources jointly. If all sources are band-limited and without
noise (synthesized or low-passed music, lossy files decoded to float), this is nearly singular, and
SIR, SAR and ISR are far too low, with SAR even below SDR. SDR needs no filters and is not affected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_mmdense.evaluation.museval_engine import find_engine
from keras_mmdense.evaluation.protocols import METRICS, Rule, find_rule
from keras_mmdense.stems import Stems, rest_name

PAIR = ("vocals", "accompaniment")

Pair = tuple[Stems, Stems]
Combine = Callable[[np.ndarray], Any]


@dataclass(frozen=True, eq=False)
class SongScores:
    """Scores of a system on a song.

    Attributes:
        name: Name of the song.
        sample_rate: Sample rate in Hz.
        window, hop: Length and hop of frames in seconds. A song shorter than the rule's window is
            one frame, and `window` is its length.
        frames: Stem -> metric -> array `(frames,)`, in dB. NaN marks a frame without a score; an
            estimate equal to its reference scores infinity.
        silent: Stem -> why it has no score at all: "reference" (the true stem is silent),
            "estimate" (the estimate is silent) or "frames" (no frame in which all stems sound).
        seconds: Seconds of separation, None if that is not known.
    """

    name: str
    sample_rate: int
    window: float
    hop: float
    frames: dict[str, dict[str, np.ndarray]]
    silent: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None

    def medians(self) -> dict[str, dict[str, float]]:
        """Return medians over the scored frames: stem -> metric -> dB, NaN if there are none."""
        return self._over_frames(np.median)

    def means(self) -> dict[str, dict[str, float]]:
        """Return means over the scored frames: stem -> metric -> dB, NaN if there are none."""
        return self._over_frames(np.mean)

    def by_rule(self, rule: Rule | str) -> dict[str, dict[str, float]]:
        """Return the song's scores by a rule.

        Args:
            rule: The rule or its name.

        Returns:
            Stem -> metric -> dB, NaN if there are no scored frames.
        """
        return self.means() if find_rule(rule).over_frames == "mean" else self.medians()

    def _over_frames(self, combine: Combine) -> dict[str, dict[str, float]]:
        return {
            stem: {metric: _combine(combine, values) for metric, values in metrics.items()}
            for stem, metrics in self.frames.items()
        }


def score_song(
    references: Stems,
    estimates: Stems,
    sample_rate: int,
    rule: Rule | str = "museval",
    *,
    engine: str = "museval",
    name: str = "",
) -> SongScores:
    """Score the estimated stems of a song with BSSEval, as museval computes it.

    Args:
        references: All true stems of the song, each `(samples, channels)`; the mixture is their
            sum.
        estimates: Estimates of some or all of them, of the same shape.
        sample_rate: Sample rate in Hz.
        rule: Rule or its name, which defines the frames and the version of BSSEval. Defaults to
            `"museval"`.
        engine: One of `museval_engine.ENGINES`. Defaults to `"museval"`.
        name: Name of the song in the result. Defaults to `""`.

    Returns:
        The scores of each frame, stem and metric, in dB.

    Raises:
        ValueError: If shapes differ, stems are unknown, values are not finite, or the sample rate
            is invalid.
        InputError: If the rule or engine is unknown, or the engine does not support the rule.
        ImportError: If museval is not installed.
        RuntimeError: If museval cannot start because ffmpeg is missing.

    Source: Liutkus, Stöter and Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA
    2018; museval.evaluate and museval.eval_mus_track.
    """
    rule = find_rule(rule)
    compute = find_engine(engine, rule)
    _check_stems(references, estimates)
    lengths = _frame_lengths(sample_rate, rule)
    references, estimates, pair = _complete(references, estimates)
    frames, silent = _score_frames(references, estimates, lengths, compute)
    if pair:
        pair_frames, pair_silent = _score_frames(*pair, lengths, compute)
        frames |= pair_frames
        silent.pop(PAIR[0], None)
        silent |= pair_silent
    window = min(rule.window, len(next(iter(references.values()))) / sample_rate)
    return SongScores(name, sample_rate, window, rule.hop, frames, silent)


def summarize(songs: Sequence[SongScores], rule: Rule | str = "museval") -> dict[str, Any]:
    """Summarize the scores of a system over songs.

    Args:
        songs: The scores, one entry per song.
        rule: Median over songs of each song's median ("museval") or mean ("dsd100") over frames.
            Defaults to `"museval"`.

    Returns:
        Stem -> each of `METRICS` in dB (NaN if no song was scored), "songs" (number of scored
        songs) and "silent" (number of songs with the stem but without a score, see
        `SongScores.silent`).

    Raises:
        InputError: If the rule is unknown.

    Source: SiSEC 2018 (MUSDB18) results and the museval package; SiSEC 2016 (DSD100) results.
    """
    rule = find_rule(rule)
    scores = [song.by_rule(rule) for song in songs]
    table: dict[str, dict[str, Any]] = {}
    for stem in dict.fromkeys(stem for song in scores for stem in song):
        rows = [song[stem] for song in scores if stem in song]
        table[stem] = {m: _combine(np.median, np.array([row[m] for row in rows])) for m in METRICS}
        counted = sum(not np.isnan(row["SDR"]) for row in rows)
        table[stem] |= {"songs": counted, "silent": len(rows) - counted}
    return table


def _check_stems(references: Stems, estimates: Stems) -> None:
    shapes: set[tuple[int, ...]] = {np.shape(audio) for audio in references.values()}
    if len(shapes) != 1 or len(shape := next(iter(shapes))) != 2 or 0 in shape:
        by_stem = {stem: np.shape(audio) for stem, audio in references.items()}
        raise ValueError(f"references need one shape (samples, channels); received {by_stem}")
    known = [stem for stem in references if stem in estimates]
    if not known:
        raise ValueError(f"no estimate of {list(references)}; received {list(estimates)}")
    whole = PAIR[1] if PAIR[0] in references else None
    extra = rest_name(known) if len(known) < len(references) else whole
    if unknown := sorted(set(estimates) - {*references, extra}):
        raise ValueError(f"estimates of unknown stems {unknown}; references: {list(references)}")
    for stem, audio in estimates.items():
        if np.shape(audio) != shape:
            received = np.shape(audio)
            raise ValueError(f"estimate of {stem} must have shape {shape}; received {received}")
    for kind, stems in (("reference", references), ("estimate", estimates)):
        for stem, audio in stems.items():
            if bad := np.size(audio) - np.count_nonzero(np.isfinite(audio)):
                raise ValueError(f"{kind} of {stem} has {bad} values that are not finite")


def _frame_lengths(sample_rate: int, rule: Rule) -> tuple[int, int]:
    lengths = int(rule.window * sample_rate), int(rule.hop * sample_rate)
    if min(lengths) < 1:
        raise ValueError(
            "window and hop must last a sample or more; "
            f"received window={rule.window} s, hop={rule.hop} s, sample_rate={sample_rate} Hz"
        )
    return lengths


def _complete(references: Stems, estimates: Stems) -> tuple[Stems, Stems, Pair | None]:
    """Return stems that sum to the mixture, and the pair if there is one; all in float64."""
    true = {stem: np.asarray(audio, np.float64) for stem, audio in references.items()}
    found = {stem: np.asarray(audio, np.float64) for stem, audio in estimates.items()}
    known = [stem for stem in true if stem in found]
    rest = rest_name(known)
    if rest is None or len(known) == len(true):
        return true, found, _pair(true, found)
    if rest not in found:
        found[rest] = _sum(true, true) - _sum(found, known)
    others = _sum(true, [stem for stem in true if stem not in known])
    return {**{stem: true[stem] for stem in known}, rest: others}, found, None


def _pair(references: Stems, estimates: Stems) -> Pair | None:
    vocals, accompaniment = PAIR
    others = [stem for stem in references if stem != vocals]
    if vocals not in references or (len(others) < 2 and accompaniment not in estimates):
        return None
    estimate = estimates[accompaniment] if accompaniment in estimates else _sum(estimates, others)
    return (
        {vocals: references[vocals], accompaniment: _sum(references, others)},
        {vocals: estimates[vocals], accompaniment: estimate},
    )


def _sum(stems: Stems, names: Iterable[str]) -> np.ndarray:
    return np.sum([stems[name] for name in names], axis=0)


def _score_frames(
    references: Stems,
    estimates: Stems,
    lengths: tuple[int, int],
    compute: Callable[..., dict[str, np.ndarray]],
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
    """Compute the scores of frames, and silent stems, for a window and a hop in samples."""
    window, hop = lengths
    silent = _find_silent(references, estimates)
    heard = [stem for stem in references if silent.get(stem) != "reference"]
    samples = len(next(iter(references.values())))
    count = 1 + max(0, samples - window) // hop
    frames = {stem: {metric: np.full(count, np.nan) for metric in METRICS} for stem in references}
    if heard:
        # The reference replaces a silent estimate, so that the other stems keep their scores.
        signals = [references[stem] if stem in silent else estimates[stem] for stem in heard]
        scores = compute([references[stem] for stem in heard], signals, window, hop)
        for index, stem in enumerate(heard):
            if stem not in silent:
                frames[stem] = {metric: scores[metric][index] for metric in METRICS}
                if np.isnan(frames[stem]["SDR"]).all():
                    silent[stem] = "frames"
    return frames, silent


def _find_silent(references: Stems, estimates: Stems) -> dict[str, str]:
    silent = {}
    for stem, reference in references.items():
        if not reference.sum(axis=1).any():
            silent[stem] = "reference"
        elif not estimates[stem].sum(axis=1).any():
            silent[stem] = "estimate"
    return silent


def _combine(combine: Combine, values: np.ndarray) -> float:
    scored = values[~np.isnan(values)]
    with np.errstate(invalid="ignore"):  # the mean of both infinities
        return float(combine(scored)) if scored.size else float("nan")
