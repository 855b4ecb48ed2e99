"""Oracle separators, which know the true stems and show what is possible.

All separate the sum of the stems on spectrograms with a periodic Hann window, as the networks do,
and process the stems twice to keep few spectrograms in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.stems import Stems

# Added to the diagonal of a covariance before inversion, relative to its mean eigenvalue.
FLOOR = 1e-10
BLOCK = 256

Transform = Callable[[np.ndarray], np.ndarray]
Masks = Callable[[str], np.ndarray]


def mixture(references: Stems) -> dict[str, np.ndarray]:
    """Return the sum of the stems as the estimate of each stem, and of the rest.

    Args:
        references: True stems, each `(samples, channels)`, all of one shape.
    """
    total = np.sum(list(references.values()), axis=0)
    return dict.fromkeys((*references, "accompaniment", "remainder"), total)


def ideal_ratio_mask(
    references: Stems, n_fft: int = 2048, hop: int = 1024
) -> dict[str, np.ndarray]:
    """Separate the sum of the stems with the ideal ratio mask of their powers.

    The mask of stem j is `|S_j|^2 / sum_i |S_i|^2` for each frame, bin and channel, and it
    multiplies the mixture's complex spectrogram. The masks sum to one, so the estimates sum
    to the mixture.

    Args:
        references: True stems, each `(samples, channels)`, all of one shape.
        n_fft: Length of window and transform in samples. Defaults to `2048`.
        hop: Hop between frames in samples, at most `n_fft / 2`. Defaults to `1024`.

    Returns:
        An estimate for each reference, with its shape and dtype.

    Raises:
        ValueError: If there are no references, shapes differ or are not `(samples, channels)`, or
            the hop is not in `1 .. n_fft / 2`.

    Source: oracle IRM2 of the SiSEC 2018 campaign (Liutkus, Stöter and Ito, LVA/ICA 2018).
    """

    def masks(signals: Stems, spectrogram: Transform) -> Masks:
        total = sum(np.abs(spectrogram(signal)) ** 2 for signal in signals.values())
        total = np.maximum(total, np.finfo(np.float64).tiny)
        return lambda stem: np.abs(spectrogram(signals[stem])) ** 2 / total

    return _mask(references, masks, n_fft, hop)


def ideal_binary_mask(
    references: Stems, n_fft: int = 2048, hop: int = 1024
) -> dict[str, np.ndarray]:
    """Separate the sum of the stems with ideal binary masks.

    Each frame, bin and channel of the mixture's complex spectrogram is assigned to the stem with
    the largest magnitude, or the first of equal ones. The estimates sum to the mixture.

    For arguments, results and errors see `ideal_ratio_mask`.

    Source: Wang, "On ideal binary mask as the computational goal of auditory scene analysis", 2005,
    with the strongest of several stems as the target.
    """

    def masks(signals: Stems, spectrogram: Transform) -> Masks:
        order = list(signals)
        largest = np.abs(spectrogram(signals[order[0]]))
        winner = np.zeros(largest.shape, np.uint8)
        for index, stem in enumerate(order[1:], 1):
            magnitude = np.abs(spectrogram(signals[stem]))
            winner[magnitude > largest] = index
            largest = np.maximum(largest, magnitude)
        return lambda stem: winner == order.index(stem)

    return _mask(references, masks, n_fft, hop)


def wiener_filter(references: Stems, n_fft: int = 2048, hop: int = 1024) -> dict[str, np.ndarray]:
    """Separate the sum of the stems with the multichannel Wiener filter of their true PSDs.

    Stem j is modeled by its PSD v_j, the channel mean of `|s_j|^2` in each frame and bin, and a
    spatial covariance `R_j = sum_t s_j s_j^H / sum_t v_j` in each bin, over the whole song. The
    filter is `v_j R_j (sum_i v_i R_i)^-1`; the inverted matrix is regularized by 1e-10 of its mean
    eigenvalue. The estimates sum to the mixture.

    For arguments, results and errors see `ideal_ratio_mask`.

    Source: Nugraha, Liutkus and Vincent, "Multichannel music separation with deep neural
    networks", EUSIPCO 2016; section 4.2 of the paper.
    """
    shape = _check(references, n_fft, hop)
    spectrogram, waveform = _transform(shape[0], n_fft, hop)
    total: Any = 0.0
    powers, covariances = {}, {}
    for stem, audio in references.items():
        spectrum = spectrogram(audio.T)
        total = total + spectrum
        powers[stem] = np.mean(np.abs(spectrum) ** 2, axis=0)
        covariances[stem] = _spatial_covariance(spectrum, powers[stem])
    inverse = _inverse_filter(total, powers, covariances)
    estimates = {}
    for stem, audio in references.items():
        # v_j R_j (C^-1 x), with C^-1 x the same for all stems
        filtered = np.einsum("fcd,dft->cft", covariances[stem], inverse) * powers[stem]
        estimates[stem] = waveform(filtered).T.astype(audio.dtype)
    return estimates


ORACLES: dict[str, Callable[[Stems], dict[str, np.ndarray]]] = {
    "mixture": mixture,
    "ideal ratio mask": ideal_ratio_mask,
    "ideal binary mask": ideal_binary_mask,
    "ideal Wiener filter": wiener_filter,
}
SHORT = dict(zip(("mixture", "irm", "ibm", "mwf"), ORACLES, strict=True))


def find_oracles(names: str) -> tuple[str, ...]:
    """Parse a list of oracles.

    Args:
        names: Comma-separated short names, such as "mixture,irm"; "none" for none.

    Returns:
        Names of `ORACLES`.

    Raises:
        InputError: If there is no such oracle.
    """
    if names.strip() == "none":
        return ()
    short = [name.strip() for name in names.split(",")]
    for name in short:
        if name not in SHORT:
            raise InputError(f"unknown oracle {name!r}; choices: {', '.join(SHORT)}, none")
    return tuple(dict.fromkeys(SHORT[name] for name in short))


def _check(references: Stems, n_fft: int, hop: int) -> tuple[int, int]:
    shapes = {stem: np.shape(audio) for stem, audio in references.items()}
    if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 2:
        raise ValueError(f"references need one shape (samples, channels); received {shapes}")
    if not 1 <= hop <= n_fft // 2:
        raise ValueError(f"hop must lie in 1 .. n_fft / 2 = {n_fft // 2}; received {hop}")
    return next(iter(shapes.values()))


def _transform(samples: int, n_fft: int, hop: int) -> tuple[Transform, Transform]:
    """Return functions from (..., samples) to spectrograms (..., bins, frames), and back."""
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    transform = ShortTimeFFT(hann(n_fft, sym=False), hop=hop, fs=1.0)
    padding = max(0, n_fft - samples)

    def spectrogram(signal: np.ndarray) -> np.ndarray:
        wide = np.pad(signal.astype(np.float64), [(0, 0)] * (signal.ndim - 1) + [(0, padding)])
        return transform.stft(wide)

    def waveform(spectrum: np.ndarray) -> np.ndarray:
        return transform.istft(spectrum, k1=samples + padding)[..., :samples]

    return spectrogram, waveform


def _mask(
    references: Stems, masks: Callable[[Stems, Transform], Masks], n_fft: int, hop: int
) -> dict[str, np.ndarray]:
    """Multiply the mixture's spectrogram, channel by channel, by a mask for each stem."""
    samples, channels = _check(references, n_fft, hop)
    spectrogram, waveform = _transform(samples, n_fft, hop)
    estimates = {stem: np.empty_like(audio) for stem, audio in references.items()}
    for channel in range(channels):
        signals = {stem: audio[:, channel] for stem, audio in references.items()}
        total = sum(spectrogram(signal) for signal in signals.values())
        mask = masks(signals, spectrogram)
        for stem in signals:
            estimates[stem][:, channel] = waveform(total * mask(stem))
    return estimates


def _spatial_covariance(spectrum: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return R_j of a spectrogram (channels, bins, frames): (bins, channels, channels)."""
    across = np.einsum("cft,dft->fcd", spectrum, spectrum.conj())
    level = np.maximum(power.sum(axis=1), np.finfo(np.float64).tiny)
    return across / level[:, None, None]


def _inverse_filter(total: np.ndarray, powers: Stems, covariances: Stems) -> np.ndarray:
    """Return (sum_i v_i R_i)^-1 x of a mixture x (channels, bins, frames), in blocks of frames."""
    channels, _, frames = total.shape
    result = np.empty_like(total)
    for start in range(0, frames, BLOCK):
        part = slice(start, start + BLOCK)
        matrix = sum(
            power[:, part, None, None] * covariances[stem][:, None]
            for stem, power in powers.items()
        )
        level = np.trace(matrix, axis1=-2, axis2=-1).real / channels
        level = np.maximum(FLOOR * level, np.finfo(np.float64).tiny)
        matrix = matrix + level[..., None, None] * np.eye(channels)
        mixture = total[:, :, part].transpose(1, 2, 0)[..., None]
        result[:, :, part] = np.linalg.solve(matrix, mixture)[..., 0].transpose(2, 0, 1)
    return result
