"""BSSEval by the museval package, an optional extra that is imported on first use."""

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
    """Return the function that computes the scores of frames.

    Args:
        name: "museval", or "fast" for `bsseval`, which computes the same numbers faster.
        rule: Rule of the scores.

    Returns:
        A function of references, estimates, window and hop, see `bsseval`.

    Raises:
        InputError: If there is no such engine, or it does not support the rule.
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
    """Check that an engine can compute the scores of a rule, before any work.

    Args:
        name: Name of the engine.
        rule: The rule.

    Raises:
        InputError: If there is no such engine, it does not support the rule, or a package or
            program that it needs is missing.
    """
    find_engine(name, rule)
    if name == "fast":
        return
    if importlib.util.find_spec("museval") is None:
        raise InputError('scores need museval: pip install "keras-mmdense[eval]"')
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        raise InputError("museval needs ffmpeg and ffprobe, which are not on the PATH")


def memory(shape: tuple[int, int], stems: int, sample_rate: int, rule: Rule, engine: str) -> float:
    """Estimate an upper bound of the memory for scoring a song in a separate process, in bytes.

    museval holds about seven copies of all signals in float64, the complex spectra of all
    references at a power of two of samples, and six matrices of the size of the references' joint
    correlations over 512 lags: 4.7 GB for two minutes of four stereo stems, 9.5 GB for five.

    Args:
        shape: (samples, channels) of the song.
        stems: Number of stems.
        sample_rate: Sample rate in Hz.
        rule, engine: Rule and engine of the scores.
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
    """Score the estimates of all sources of a mixture, frame by frame.

    Args:
        references: True sources, each `(samples, channels)`, none silent.
        estimates: Their estimates, in the same order and of the same shape, none silent.
        window: Length of a frame, in samples.
        hop: Distance between frames, in samples.
        mode: "v4", distortion filters of the whole song, or "v3", filters of each frame. Defaults
            to `"v4"`.

    Returns:
        SDR, ISR, SIR and SAR, each `(sources, frames)` in dB.

    Raises:
        ImportError: If museval is not installed.
        RuntimeError: If museval cannot start because ffmpeg is missing.
        ValueError: If a source is silent, or shapes differ.

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
    """Provide the name `numpy.linalg.linalg`, removed in NumPy 2.4, for museval 0.4.1.

    museval catches errors of singular matrices, such as an impulse on two equal channels, by it.
    """
    missing = "linalg" not in vars(np.linalg)
    if missing:
        vars(np.linalg)["linalg"] = np.linalg
    try:
        yield
    finally:
        if missing:
            del vars(np.linalg)["linalg"]
