"""BSSEval v4 by the museval package, an optional extra that is imported when first needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np


def bsseval(
    references: Sequence[np.ndarray], estimates: Sequence[np.ndarray], window: int, hop: int
) -> dict[str, np.ndarray]:
    """Scores the estimates of all sources of one mixture, frame by frame.

    Args:
        references: true sources, each `(samples, channels)`, none silent.
        estimates: their estimates, in the same order and of the same shape, none silent.
        window: length of a frame, in samples.
        hop: distance between frames, in samples.

    Returns:
        SDR, ISR, SIR and SAR, each `(sources, frames)` in dB.

    Raises:
        ImportError: museval is not installed.
        RuntimeError: museval cannot start because ffmpeg is missing.
        ValueError: a source is silent, or shapes differ.

    Source: museval.evaluate with mode "v4"; Vincent et al., "Performance measurement in blind
    audio source separation", IEEE TASLP 14(4), 2006.
    """
    try:
        import museval
    except ImportError as error:
        raise ImportError('scores need museval: pip install "keras-mmdense[eval]"') from error
    except RuntimeError as error:
        raise RuntimeError("museval needs ffmpeg and ffprobe, which were not found") from error
    with _linalg_alias():
        values = museval.evaluate(
            references, estimates, win=window, hop=hop, mode="v4", padding=False
        )
    return dict(zip(("SDR", "ISR", "SIR", "SAR"), values, strict=True))


@contextlib.contextmanager
def _linalg_alias() -> Iterator[None]:
    """Gives museval 0.4.1 the name `numpy.linalg.linalg`, gone since NumPy 2.4.

    It catches singular matrices (for instance an impulse on two equal channels) by that name.
    """
    missing = "linalg" not in vars(np.linalg)
    if missing:
        np.linalg.linalg = np.linalg
    try:
        yield
    finally:
        if missing:
            del np.linalg.linalg
