"""BSSEval scores of separated songs, summed up as the published evaluations do.

BSSEval needs every source. Where some stems have no estimate, the sum of their references is one
more stem, estimated by the mixture minus all estimates: a vocals network is scored on vocals and
accompaniment (`rest_name`). An estimate given under that name is used instead.

museval refuses signals whose channels sum to zero at every sample. Such a reference is left out,
such an estimate is not scored; both get NaN frames, an entry in `SongScores.silent`, and are
counted in every summary. A frame in which any reference or estimate is silent is NaN for all
stems, and medians pass over it. An estimate equal to its reference scores infinity.

museval solves for filters of all sources at once. Where every source is band-limited and without
noise (synthesised or low-passed music) this is near singular, and SIR, SAR and ISR come out far
too low, with SAR even below SDR. SDR needs no filters and is not affected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_mmdense.evaluation.bsseval import bsseval
from keras_mmdense.evaluation.oracles import ideal_ratio_mask
from keras_mmdense.stems import rest_name

METRICS = ("SDR", "SIR", "SAR", "ISR")
RULES = ("museval",)
BASELINES = ("mixture", "ideal ratio mask")

Stems = Mapping[str, np.ndarray]
Separate = Callable[[np.ndarray, int], Stems]


@dataclass(frozen=True, eq=False)
class SongScores:
    """Scores of one song by one system.

    Attributes:
        name: the song's name.
        sample_rate: in Hz.
        window, hop: length of a frame and distance between frames, in seconds.
        frames: stem -> metric -> array `(frames,)`, in dB. NaN marks a frame without a score; an
            estimate equal to its reference scores infinity.
        silent: stem -> why it has no score at all: "reference" (the true stem is silent),
            "estimate" (the estimate is silent) or "frames" (no frame in which all stems sound).
    """

    name: str
    sample_rate: int
    window: float
    hop: float
    frames: dict[str, dict[str, np.ndarray]]
    silent: dict[str, str] = field(default_factory=dict)

    def medians(self) -> dict[str, dict[str, float]]:
        """Medians over the scored frames: stem -> metric -> dB, NaN where there are none."""
        return {
            stem: {metric: _median(values) for metric, values in metrics.items()}
            for stem, metrics in self.frames.items()
        }


def score_song(
    references: Stems,
    estimates: Stems,
    sample_rate: int,
    window: float = 1.0,
    hop: float = 1.0,
    name: str = "",
) -> SongScores:
    """Scores estimated stems of one song with BSSEval v4, as museval computes it.

    Args:
        references: all true stems of the song, each `(samples, channels)`; the mixture is their
            sum.
        estimates: estimates of some or all of them, of the same shape.
        sample_rate: in Hz.
        window: length of a frame, in seconds.
        hop: distance between frames, in seconds.
        name: the song's name, kept in the result.

    Returns:
        The scores of each frame, stem and metric, in dB.

    Raises:
        ValueError: shapes that differ, unknown stems, values that are not finite, bad rates.
        ImportError: museval is not installed.
        RuntimeError: museval cannot start because ffmpeg is missing.

    Source: Liutkus, Stöter and Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA
    2018; museval.evaluate with mode "v4".
    """
    _check_stems(references, estimates)
    window_samples, hop_samples = _frame_lengths(sample_rate, window, hop)
    references, estimates = _complete(references, estimates)
    frames, silent = _score_frames(references, estimates, window_samples, hop_samples)
    return SongScores(name, sample_rate, window, hop, frames, silent)


def summarize(songs: Sequence[SongScores], rule: str = "museval") -> dict[str, dict[str, Any]]:
    """Sums up the scores of one system over songs.

    Args:
        songs: the scores, one entry a song.
        rule: "museval", the median over songs of each song's median over frames.

    Returns:
        stem -> each of `METRICS` in dB (NaN if no song counted), "songs" (how many counted) and
        "silent" (how many had the stem but no score, see `SongScores.silent`).

    Raises:
        ValueError: unknown rule.

    Source: SiSEC 2018 (MUSDB18) results and the museval package.
    """
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}; choices: {', '.join(RULES)}")
    medians = [song.medians() for song in songs]
    table: dict[str, dict[str, Any]] = {}
    for stem in dict.fromkeys(stem for song in medians for stem in song):
        rows = [song[stem] for song in medians if stem in song]
        table[stem] = {m: _median(np.array([row[m] for row in rows])) for m in METRICS}
        counted = sum(not np.isnan(row["SDR"]) for row in rows)
        table[stem] |= {"songs": counted, "silent": len(rows) - counted}
    return table


def evaluate_songs(
    songs: Sequence[Any],
    systems: Mapping[str, Separate],
    progress: Callable[[int, int, str], None] | None = None,
    *,
    baselines: bool = True,
    window: float = 1.0,
    hop: float = 1.0,
) -> dict[str, list[SongScores]]:
    """Scores separators on songs, beside the mixture and the ideal ratio mask.

    The baselines give the stems that the systems gave, or all if there is no system.

    Args:
        songs: objects with `name`, `sample_rate` (Hz) and `stems()` -> stem -> `(samples,
            channels)`; the separators get the sum of the stems.
        systems: name -> `separate(mixture, sample_rate)` -> stem -> `(samples, channels)`.
        progress: called after each scored song and system with (done, total, label).
        baselines: whether to score the systems of `BASELINES` as well.
        window: length of a frame, in seconds.
        hop: distance between frames, in seconds.

    Returns:
        system -> scores, one entry a song, in the order of `songs`.

    Raises:
        ValueError: a system named like a baseline, or stems that `score_song` refuses.
    """
    extra = BASELINES if baselines else ()
    if taken := sorted(set(systems) & set(extra)):
        raise ValueError(f"names of baselines, not free for a system: {taken}")
    results: dict[str, list[SongScores]] = {system: [] for system in (*systems, *extra)}
    total, done = len(results) * len(songs), 0
    for song in songs:
        references, rate = song.stems(), song.sample_rate
        for system, estimates in _separate_all(references, rate, systems, baselines):
            try:
                scores = score_song(references, estimates, rate, window, hop, song.name)
            except ValueError as error:
                raise ValueError(f"{song.name}, {system}: {error}") from error
            results[system].append(scores)
            done += 1
            if progress is not None:
                progress(done, total, f"{song.name}: {system}")
    return results


def _separate_all(
    references: Stems, sample_rate: int, systems: Mapping[str, Separate], baselines: bool
) -> Iterator[tuple[str, Stems]]:
    mixture = np.sum(list(references.values()), axis=0)
    given: set[str] = set()
    for system, separate in systems.items():
        estimates = separate(mixture.copy(), sample_rate)
        given.update(estimates)
        yield system, estimates
    if baselines:
        stems = [stem for stem in references if stem in given or not given]
        partial = [] if len(stems) == len(references) else [rest_name(stems)]
        yield BASELINES[0], dict.fromkeys([*stems, *partial], mixture)
        masked = ideal_ratio_mask(references)
        yield BASELINES[1], {stem: masked[stem] for stem in stems}


def _check_stems(references: Stems, estimates: Stems) -> None:
    shapes = {np.shape(audio) for audio in references.values()}
    if len(shapes) != 1 or len(shape := next(iter(shapes))) != 2 or 0 in shape:
        received = {stem: np.shape(audio) for stem, audio in references.items()}
        raise ValueError(f"references need one shape (samples, channels); received {received}")
    known = [stem for stem in references if stem in estimates]
    if not known:
        raise ValueError(f"no estimate of {list(references)}; received {list(estimates)}")
    allowed = set(references) | ({rest_name(known)} if len(known) < len(references) else set())
    if unknown := sorted(set(estimates) - allowed):
        raise ValueError(f"estimates of unknown stems {unknown}; references: {list(references)}")
    for stem, audio in estimates.items():
        if np.shape(audio) != shape:
            received = np.shape(audio)
            raise ValueError(f"estimate of {stem} must have shape {shape}; received {received}")
    for kind, stems in (("reference", references), ("estimate", estimates)):
        for stem, audio in stems.items():
            if bad := np.size(audio) - np.count_nonzero(np.isfinite(audio)):
                raise ValueError(f"{kind} of {stem} has {bad} values that are not finite")


def _frame_lengths(sample_rate: int, window: float, hop: float) -> tuple[int, int]:
    lengths = int(window * sample_rate), int(hop * sample_rate)
    if min(lengths) < 1:
        raise ValueError(
            "window and hop must last a sample or more; "
            f"received window={window} s, hop={hop} s, sample_rate={sample_rate} Hz"
        )
    return lengths


def _complete(references: Stems, estimates: Stems) -> tuple[Stems, Stems]:
    """Adds the stem that stands for all references without an estimate; all in float64."""
    references = {stem: np.asarray(audio, np.float64) for stem, audio in references.items()}
    estimates = {stem: np.asarray(audio, np.float64) for stem, audio in estimates.items()}
    known = [stem for stem in references if stem in estimates]
    if len(known) == len(references):
        return references, estimates
    rest = rest_name(known)
    mixture = np.sum(list(references.values()), axis=0)
    others = [audio for stem, audio in references.items() if stem not in known]
    if rest not in estimates:
        estimates[rest] = mixture - np.sum([estimates[stem] for stem in known], axis=0)
    return {**{stem: references[stem] for stem in known}, rest: np.sum(others, axis=0)}, estimates


def _score_frames(
    references: Stems, estimates: Stems, window: int, hop: int
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
    """Frames' scores and silent stems, for a window and a hop in samples."""
    silent = _find_silent(references, estimates)
    heard = [stem for stem in references if silent.get(stem) != "reference"]
    samples = len(next(iter(references.values())))
    count = 1 + max(0, samples - window) // hop
    frames = {stem: {metric: np.full(count, np.nan) for metric in METRICS} for stem in references}
    if heard:
        # The reference stands in for a silent estimate: the other stems keep their scores.
        signals = [references[stem] if stem in silent else estimates[stem] for stem in heard]
        scores = bsseval([references[stem] for stem in heard], signals, window, hop)
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


def _median(values: np.ndarray) -> float:
    scored = values[~np.isnan(values)]
    return float(np.median(scored)) if scored.size else float("nan")
