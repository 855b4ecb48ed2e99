"""BSSEval by the museval package, an optional extra that is imported when first needed."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import math
import shutil
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.protocols import COMPUTED, Rule

ENGINES = ("museval", "fast")
LAGS = 512


def find_engine(name: str, rule: Rule) -> Callable[..., dict[str, np.ndarray]]:
    """Gives the function that computes the scores of frames.

    Args:
        name: "museval", or "fast" for `bsseval`, which computes the same numbers sooner.
        rule: the rule they are for.

    Returns:
        A function of references, estimates, window and hop, as `bsseval` is.

    Raises:
        InputError: there is no such engine, or it cannot follow the rule.
    """
    if name not in ENGINES:
        raise InputError(f"unknown engine {name!r}; choices: {', '.join(ENGINES)}")
    if name == "museval":
        return functools.partial(bsseval, mode=rule.mode)
    if rule.mode != "v4":
        raise InputError(f"the engine fast computes v4 only; rule {rule.name!r} needs museval")
    from keras_mmdense.evaluation import bsseval as fast_bsseval

    return fast_bsseval.bsseval


def check_engine(name: str, rule: Rule) -> None:
    """Raises InputError, at once, if an engine cannot compute the scores of a rule."""
    find_engine(name, rule)
    if name == "fast":
        return
    if importlib.util.find_spec("museval") is None:
        raise InputError('scores need museval: pip install "keras-mmdense[eval]"')
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        raise InputError("museval needs ffmpeg and ffprobe, which are not on the PATH")


def memory(shape: tuple[int, int], stems: int, sample_rate: int, rule: Rule, engine: str) -> float:
    """Bounds the memory that scoring a song takes in a process of its own, in bytes.

    museval holds about seven copies of all signals in float64, the complex spectra of all
    references at a power of two of samples, and six matrices of the size of the references' joint
    correlations over 512 lags: 4.7 GB for two minutes of four stereo stems, 9.5 GB for five.

    Args:
        shape: (samples, channels) of the song.
        stems: number of its stems.
        sample_rate: in Hz.
        rule, engine: how it is scored.
    """
    samples, channels = shape
    signals = stems * channels
    length = samples if rule.mode == "v4" else min(samples, int(rule.window * sample_rate))
    spectra = 1.2 * 16 * signals * 2 ** math.ceil(math.log2(length + LAGS))
    correlations = 6 * 8 * (signals * LAGS) ** 2
    total = 2e8 + 7 * 8 * signals * samples + spectra + correlations
    return total if engine == "museval" else total / 4


def bsseval(
    references: Sequence[np.ndarray],
    estimates: Sequence[np.ndarray],
    window: int,
    hop: int,
    mode: str = "v4",
) -> dict[str, np.ndarray]:
    """Scores the estimates of all sources of one mixture, frame by frame.

    Args:
        references: true sources, each `(samples, channels)`, none silent.
        estimates: their estimates, in the same order and of the same shape, none silent.
        window: length of a frame, in samples.
        hop: distance between frames, in samples.
        mode: "v4", distortion filters of the whole song, or "v3", filters of each frame.

    Returns:
        SDR, ISR, SIR and SAR, each `(sources, frames)` in dB.

    Raises:
        ImportError: museval is not installed.
        RuntimeError: museval cannot start because ffmpeg is missing.
        ValueError: a source is silent, or shapes differ.

    Source: museval.evaluate; Vincent et al., "Performance measurement in blind audio source
    separation", IEEE TASLP 14(4), 2006.
    """
    try:
        import museval
    except ImportError as error:
        raise ImportError('scores need museval: pip install "keras-mmdense[eval]"') from error
    except RuntimeError as error:
        raise RuntimeError("museval needs ffmpeg and ffprobe, which were not found") from error
    with _linalg_alias():
        values = museval.evaluate(
            references, estimates, win=window, hop=hop, mode=mode, padding=False
        )
    return dict(zip(COMPUTED, values, strict=True))


@contextlib.contextmanager
def _linalg_alias() -> Iterator[None]:
    """Gives museval 0.4.1 the name `numpy.linalg.linalg`, gone since NumPy 2.4.

    It catches singular matrices (for instance an impulse on two equal channels) by that name.
    """
    missing = "linalg" not in vars(np.linalg)
    if missing:
        vars(np.linalg)["linalg"] = np.linalg
    try:
        yield
    finally:
        if missing:
            del vars(np.linalg)["linalg"]
