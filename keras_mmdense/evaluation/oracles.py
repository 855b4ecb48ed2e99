"""Oracle separators: what masking could reach if the true stems were known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def ideal_ratio_mask(
    references: Mapping[str, np.ndarray], n_fft: int = 2048, hop: int = 1024
) -> dict[str, np.ndarray]:
    """Separates the sum of the stems with the ideal ratio mask of their powers.

    The mask of stem j is `|S_j|^2 / sum_i |S_i|^2`, for each frame, bin and channel by itself,
    and it multiplies the mixture's complex spectrogram. The window is periodic Hann, as in the
    networks' front end. The masks sum to one, so the estimates sum to the mixture.

    Args:
        references: true stems, each `(samples, channels)`, all of one shape.
        n_fft: window and transform length, in samples.
        hop: distance between frames, in samples; at most `n_fft / 2`.

    Returns:
        An estimate for each reference, of its shape and dtype.

    Raises:
        ValueError: no references, shapes that differ or are not `(samples, channels)`, or a hop
            outside `1 .. n_fft / 2`.

    Source: oracle IRM2 of the SiSEC 2018 campaign (Liutkus, Stöter and Ito, LVA/ICA 2018).
    """
    shapes = {stem: np.shape(audio) for stem, audio in references.items()}
    if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 2:
        raise ValueError(f"references need one shape (samples, channels); received {shapes}")
    if not 1 <= hop <= n_fft // 2:
        raise ValueError(f"hop must lie in 1 .. n_fft / 2 = {n_fft // 2}; received {hop}")
    estimates = {stem: np.empty_like(audio) for stem, audio in references.items()}
    _, channels = next(iter(shapes.values()))
    for channel in range(channels):
        signals = {stem: audio[:, channel] for stem, audio in references.items()}
        for stem, estimate in _mask_channel(signals, n_fft, hop).items():
            estimates[stem][:, channel] = estimate
    return estimates


def _mask_channel(signals: Mapping[str, np.ndarray], n_fft: int, hop: int) -> dict[str, np.ndarray]:
    """Ideal ratio mask of one channel; stems are transformed twice to hold few spectrograms."""
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    samples = len(next(iter(signals.values())))
    transform = ShortTimeFFT(hann(n_fft, sym=False), hop=hop, fs=1.0)

    def spectrogram(signal: np.ndarray) -> np.ndarray:
        padding = max(0, n_fft - samples)
        return transform.stft(np.pad(signal.astype(np.float64), (0, padding)))

    mixture, power = 0.0, 0.0
    for signal in signals.values():
        spectrum = spectrogram(signal)
        mixture = mixture + spectrum
        power = power + np.abs(spectrum) ** 2
    gain = mixture / np.maximum(power, np.finfo(np.float64).tiny)
    return {
        stem: transform.istft(gain * np.abs(spectrogram(signal)) ** 2, k1=max(samples, n_fft))[
            :samples
        ]
        for stem, signal in signals.items()
    }
