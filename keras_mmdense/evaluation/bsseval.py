"""BSSEval v4 with NumPy and SciPy: the scores of museval, faster and in bounded memory.

An estimate is projected twice onto the true sources, delayed by 0 to 511 samples: onto its own
source and onto all of them. The filters of the projections are computed once for the whole song;
each frame is then projected separately, starting from rest and including its tail.

The filters depend only on the sources' correlations, which are sums over short overlapping blocks.
A single pivoted Cholesky factorization of their block-Toeplitz Gram matrix serves all estimates. If
signals are linearly dependent (two equal channels), it skips those that add nothing; the projection
is that of museval's least-squares solution.

Music decoded from a lossy format without rounding to 16 bits is nearly empty at high frequencies.
There the sources are linearly dependent up to rounding, and rounding noise dominates the filters:
museval's ISR, SIR and SAR are tens of dB too low and change by several dB if the same music is 0.7
times as loud (benchmarks/scoring.py prints it). The scores of this module then differ from
museval's, usually upward. SDR needs no filters and always agrees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, next_fast_len, rfft
from scipy.linalg import solve_triangular, toeplitz
from scipy.linalg.lapack import dpstrf

from keras_mmdense.evaluation.protocols import COMPUTED

TAPS = 512
BLOCK = 2**14  # samples of a transform for correlations
GROUP = 8  # transforms at once
LONGEST = 2**17  # samples of a frame that are projected at once

Signals = list[np.ndarray]


def bsseval(
    references: Sequence[np.ndarray], estimates: Sequence[np.ndarray], window: int, hop: int
) -> dict[str, np.ndarray]:
    """Score the estimates of all sources of a mixture, frame by frame.

    Besides its input it needs less than 0.5 GB for four stereo sources of any length. Float32 input
    is not copied as a whole; all arithmetic is in float64.

    Args:
        references: True sources, each `(samples, channels)`, none silent.
        estimates: Their estimates, in the same order and of the same shape, none silent.
        window: Length of a frame, in samples.
        hop: Distance between frames, in samples.

    Returns:
        SDR, ISR, SIR and SAR, each `(sources, frames)` in dB: NaN where a source or an estimate is
        silent in the frame, infinity where there is no error at all.

    Raises:
        ValueError: If a source is silent or not finite, or shapes differ.

    Source: Vincent et al., "Performance measurement in blind audio source separation", IEEE TASLP
    14(4), 2006, with multichannel images and filters fixed over the song as in Liutkus, Stöter
    and Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal((2, 8000, 1))
        >>> bsseval(noise, noise + 0.1 * noise[::-1], 4000, 4000)["SDR"].round()
        array([[20., 20.],
               [20., 20.]])
    """
    true, found = _signals(references), _signals(estimates)
    _check(true, found)
    samples, channels = true[0].shape
    correlations = _correlations(true, found)
    size = next_fast_len(min(window, samples, LONGEST) + 2 * (TAPS - 1), real=True)
    response = _response(correlations, channels, size)
    scores = []
    for start in range(0, max(0, samples - window) + 1, hop):
        frame = slice(start, min(start + window, samples))
        if any(_silent(signal[frame]) for signal in true + found):
            scores.append(np.full((len(COMPUTED), len(true)), np.nan))
        else:
            scores.append(_score(true, found, frame, response, size))
    return dict(zip(COMPUTED, np.stack(scores, axis=-1), strict=True))


def _signals(signals: Iterable[np.ndarray]) -> Signals:
    return [signal[:, None] if signal.ndim == 1 else signal for signal in map(np.asarray, signals)]


def _check(references: Signals, estimates: Signals) -> None:
    shapes = [[signal.shape for signal in signals] for signals in (references, estimates)]
    if shapes[0] != shapes[1] or len(set(shapes[0])) != 1 or len(shapes[0][0]) != 2:
        raise ValueError(
            "references and estimates need one shape (samples, channels); "
            f"received {shapes[0]} and {shapes[1]}"
        )
    for kind, signals in (("reference", references), ("estimate", estimates)):
        for index, signal in enumerate(signals):
            if _silent(signal):
                raise ValueError(f"{kind} {index} is silent: its channels sum to zero throughout")


def _silent(signal: np.ndarray) -> bool:
    return not np.dot(signal, np.ones(signal.shape[1], signal.dtype)).any()


def _segment(signals: Signals, start: int, stop: int, first: int, last: int) -> np.ndarray:
    """Return all channels of signals, (signals * channels, stop - start), 0 outside a span."""
    channels = signals[0].shape[1]
    segment = np.zeros((len(signals), channels, stop - start))
    begin, end = max(start, first), min(stop, last)
    for row, signal in zip(segment, signals, strict=True):
        row[:, begin - start : end - start] = signal[begin:end].T
    return segment.reshape(len(signals) * channels, stop - start)


def _correlations(references: Signals, estimates: Signals) -> np.ndarray:
    """Correlate the references with all signals.

    Returns:
        Sums over t of reference(t) * signal(t + lag), for the references' and then the estimates'
        channels: (reference channels, all channels, TAPS).
    """
    samples, channels = references[0].shape
    sources = len(references) * channels
    step = BLOCK - TAPS + 1
    spectrum: Any = 0.0
    for start in range(0, samples, GROUP * step):
        stop = start + GROUP * step + TAPS - 1
        segment = _segment(references + estimates, start, stop, 0, samples)
        blocks = sliding_window_view(segment, BLOCK, axis=1)[:, ::step]
        early = rfft(blocks[:sources, :, :step], BLOCK, workers=1).conj()
        late = rfft(blocks, workers=1)
        spectrum = spectrum + _bins_first(early) @ _bins_first(late).swapaxes(1, 2)
    correlations = irfft(np.moveaxis(spectrum, 0, -1), BLOCK, workers=1)[..., :TAPS]
    if not np.isfinite(correlations).all():
        raise ValueError("references and estimates must be finite")
    return correlations


def _bins_first(spectra: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(spectra, -1, 0))


def _response(correlations: np.ndarray, channels: int, size: int) -> np.ndarray:
    """Return the responses of all sources' filters, then of each source's own.

    Returns:
        Responses (bins, inputs, outputs).
    """
    sources = len(correlations)
    filters = np.zeros((sources, 2, sources, TAPS))
    filters[:, 0] = _filters(correlations[:, :sources], correlations[:, sources:])
    for start in range(0, sources, channels):
        own = slice(start, start + channels)
        cross = correlations[own, sources + start : sources + start + channels]
        filters[own, 1, own] = _filters(correlations[own, own], cross)
    return _bins_first(rfft(filters.reshape(sources, 2 * sources, TAPS), size, workers=1))


def _filters(correlations: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Solve for least-squares filters from inputs to outputs, (inputs, outputs, TAPS)."""
    inputs, outputs, taps = cross.shape
    gram = np.zeros((inputs * taps, inputs * taps), order="F")
    for i in range(inputs):
        for j in range(i + 1):
            block = toeplitz(correlations[i, j], correlations[j, i])
            gram[i * taps : (i + 1) * taps, j * taps : (j + 1) * taps] = block
    right = cross.swapaxes(1, 2).reshape(inputs * taps, outputs)
    factor, pivots, rank, _ = dpstrf(gram, lower=True, overwrite_a=True)
    kept, factor = pivots[:rank] - 1, factor[:rank, :rank]
    half = solve_triangular(factor, right[kept], lower=True)
    solution = np.zeros_like(right)
    solution[kept] = solve_triangular(factor, half, lower=True, trans="T")
    return solution.reshape(inputs, taps, outputs).swapaxes(1, 2)


def _score(
    references: Signals, estimates: Signals, frame: slice, response: np.ndarray, size: int
) -> np.ndarray:
    """Compute all metrics of a frame, (metrics, sources) in dB."""
    energies: Any = 0.0
    step = size - TAPS + 1
    for start in range(frame.start, frame.stop + TAPS - 1, step):
        span = start - TAPS + 1, start + step, frame.start, frame.stop
        true, estimate = _segment(references, *span), _segment(estimates, *span)
        spectrum = rfft(true, workers=1).T[:, None] @ response
        projected = irfft(spectrum[:, 0].T, size, workers=1)
        parts = (true, estimate, *np.split(projected, 2))
        energies = energies + _energies([part[:, TAPS - 1 :] for part in parts], len(references))
    wanted, unwanted = energies
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(unwanted == 0, np.inf, 10 * np.log10(wanted / unwanted))


def _energies(parts: Signals, sources: int) -> np.ndarray:
    """Compute the energies that each metric compares: ((wanted, unwanted), metrics, sources)."""
    true, estimate, everything, own = parts
    if sources == 1:
        own = everything
    wanted = (true, true, own, everything)
    unwanted = (estimate - true, own - true, everything - own, estimate - everything)
    return np.array([[_energy(part, sources) for part in side] for side in (wanted, unwanted)])


def _energy(signals: np.ndarray, sources: int) -> np.ndarray:
    signals = signals.reshape(sources, -1)
    return np.einsum("st,st->s", signals, signals)
