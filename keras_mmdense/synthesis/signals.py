"""Signal tools of the synthesizer: oscillators, strings, filters, placement and effects.

Signals are mono `(samples,)` or stereo `(2, samples)`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft, signal

Rng = np.random.Generator
_TABLE = 4096
_BLOCK = 32768


def hertz(pitch: ArrayLike) -> Any:
    """Convert a MIDI pitch, or an array of them, to Hz."""
    return 440.0 * 2.0 ** ((np.asarray(pitch) - 69.0) / 12.0)


def curve(points: Sequence[tuple[float, float]], samples: int, sample_rate: float) -> np.ndarray:
    """Interpolate (seconds, value) points linearly at `sample_rate`: `(samples,)`."""
    times, values = np.array(points, dtype=float).T
    times = np.maximum.accumulate(times)
    return np.interp(np.arange(samples), times * sample_rate, values).astype(np.float32)


def band(low: float, high: float, sample_rate: int, order: int = 2) -> np.ndarray:
    """Return second-order sections of a band-pass from low to high Hz; 0 leaves a side open.

    Args:
        low: Edge of the high-pass, or 0.
        high: Edge of the low-pass, or 0.
        sample_rate: Sample rate; edges near or above half of it are moved below.
        order: Slope of both sides, 1 or 2.

    Returns:
        `(sections, 6)`.
    """
    sections = []
    if low:
        sections.append(_edge(min(low, 0.3 * sample_rate), sample_rate, order, -1.0))
    if high:
        sections.append(_edge(min(high, 0.45 * sample_rate), sample_rate, order, 1.0))
    return np.array(sections)


def _edge(cutoff: float, sample_rate: int, order: int, sign: float) -> np.ndarray:
    """Butterworth low-pass (sign 1) or high-pass (sign -1), by the bilinear transform."""
    warped = np.tan(np.pi * cutoff / sample_rate)
    if order == 1:
        b = (warped, warped, 0.0) if sign > 0 else (1.0, -1.0, 0.0)
        return np.array((*b, warped + 1, warped - 1, 0.0)) / (warped + 1)
    return _biquad(warped, 0.5**0.5, sign)


def _biquad(warped: float, q: float, sign: float) -> np.ndarray:
    b = np.array((1.0, 2 * sign, 1.0)) * (warped**2 if sign > 0 else 1.0)
    a = (1 + warped / q + warped**2, 2 * (warped**2 - 1), 1 - warped / q + warped**2)
    return np.array((*b, *a)) / a[0]


def resonant(cutoff: float, q: float, sample_rate: int) -> np.ndarray:
    """Second-order section of a low-pass filter with a resonance of quality `q`."""
    return _biquad(np.tan(np.pi * min(cutoff, 0.4 * sample_rate) / sample_rate), q, 1.0)[None]


def filtered(sos: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Run second-order sections along the last axis, in float32."""
    return signal.sosfilt(sos, sound, axis=-1).astype(np.float32)


def add_at(track: np.ndarray, sound: np.ndarray, start: int, gain: float = 1.0) -> None:
    """Add a sound to a track in place, from a sample on, and cut it at the track's end."""
    end = min(track.shape[-1], start + sound.shape[-1])
    if end > start >= 0:
        track[..., start:end] += np.float32(gain) * sound[..., : end - start]


def panned(sound: np.ndarray, place: float) -> np.ndarray:
    """Place a mono sound between left (-1) and right (1) at constant power."""
    angle = (place + 1) * np.pi / 4
    return np.stack((np.cos(angle) * sound, np.sin(angle) * sound)).astype(np.float32) * 1.414


SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "saw": lambda number: 0.6 / number,
    "square": lambda number: number % 2 / number,
    "triangle": lambda number: number % 2 / number**2 * (1 - 2 * (number % 4 == 3)),
    "sine": lambda number: (number == 1) * 1.0,
}


def wave(
    levels: Callable[[np.ndarray], np.ndarray], frequency: np.ndarray, sample_rate: int
) -> np.ndarray:
    """Run an oscillator whose harmonics stay below the Nyquist frequency.

    Args:
        levels: Function from the numbers of harmonics (1 is the fundamental) to their levels.
        frequency: Hz at each sample, `(samples,)`, above 0.
        sample_rate: Sample rate.

    Returns:
        `(samples,)`.
    """
    top = float(frequency.max())
    tier = (2 * np.log2(np.float32(top) / frequency.astype(np.float32))).astype(np.int64)
    spectra = np.zeros((int(tier.max()) + 1, _TABLE // 2 + 1), complex)
    for row, spectrum in enumerate(spectra):
        count = int(np.clip(0.45 * sample_rate / top * 2 ** (row / 2), 1, 400))
        number = np.arange(1, count + 1)
        taper = np.cos(0.5 * np.pi * (number / (count + 1)) ** 3)
        spectrum[1 : count + 1] = -0.5j * _TABLE * levels(number) * taper
    tables = fft.irfft(spectra, axis=1).astype(np.float32)
    phase = np.cumsum(frequency, dtype=np.float64) * (_TABLE / sample_rate)
    return tables.reshape(-1)[tier * _TABLE + (phase.astype(np.int64) & (_TABLE - 1))]


def chorus(
    sound: np.ndarray, sample_rate: int, depth: float, speed: float, wet: float = 0.4
) -> np.ndarray:
    """Widen a mono sound: each side hears it through a delay that sways the other way."""
    samples, pad = len(sound), int(0.02 * sample_rate)
    padded = np.concatenate((np.zeros(pad, np.float32), sound))
    out = np.empty((2, samples), np.float32)
    for first in range(0, samples, _BLOCK):
        now = np.arange(first, min(first + _BLOCK, samples))
        sway = np.sin(now.astype(np.float32) * np.float32(2 * np.pi * speed / sample_rate))
        for side, sign in enumerate((1, -1)):
            delay = np.float32(0.001 * sample_rate) * (10 + np.float32(4 * sign * depth) * sway)
            whole = delay.astype(np.int64)
            place = now + (pad - 1) - whole
            early, late = padded[place], padded[place + 1]
            late += (delay - whole).astype(np.float32) * (early - late)
            dry = sound[first : first + _BLOCK]
            out[side, now[0] : now[-1] + 1] = np.float32(1 - wet) * dry + np.float32(wet) * late
    return out


def echo(sound: np.ndarray, delay: float, feedback: float, sample_rate: int) -> np.ndarray:
    """Repeat a stereo sound, sides swapped at every repeat."""
    out, repeat, shift = sound.copy(), sound, max(1, int(delay * sample_rate))
    for _ in range(3):
        repeat = feedback * repeat[::-1, :-shift] if repeat.shape[-1] > shift else repeat[:, :0]
        add_at(out, repeat, sound.shape[-1] - repeat.shape[-1])
    return out


def room(sound: np.ndarray, seconds: float, sample_rate: int, rng: Rng) -> np.ndarray:
    """Reverberation alone of a stereo sound: decaying noise, darker as it decays."""
    samples = max(8, int(seconds * sample_rate))
    time = np.arange(samples) / sample_rate
    noise = rng.standard_normal((2, samples))
    dark = signal.sosfilt(band(150, 2500, sample_rate, 1), noise)
    response = noise * 10 ** (-6 * time / seconds) * 0.4 + dark * 10 ** (-3 * time / seconds)
    response[:, : int(rng.uniform(0.0, 0.02) * sample_rate)] = 0.0
    response /= np.sqrt((response**2).sum(axis=1, keepdims=True)) + 1e-9
    dry = sound.mean(axis=0).astype(np.float32)
    return _convolved(dry, response.astype(np.float32))


def _convolved(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    samples, size = sound.shape[-1], max(32768, fft.next_fast_len(response.shape[1], real=True))
    blocks = -(-samples // size)
    shape = fft.rfft(response, 2 * size)
    out = np.zeros((2, (blocks + 1) * size), np.float32)
    for first in range(0, samples, size):
        spectrum = fft.rfft(sound[first : first + size], 2 * size)
        out[:, first : first + 2 * size] += fft.irfft(spectrum * shape, 2 * size)
    return out[:, :samples]


def pluck(
    frequency: float, seconds: float, sample_rate: int, rng: Rng, bright: float, decay: float
) -> np.ndarray:
    """Sound a plucked string (Karplus-Strong, its loop solved in the frequency domain).

    Args:
        frequency: Pitch in Hz.
        seconds: Length of the sound.
        sample_rate: Sample rate.
        rng: Source of the pluck's noise.
        bright: 0 (dull, thumb) to 1 (bright, plectrum).
        decay: Seconds in which the fundamental falls by 60 dB.

    Returns:
        `(samples,)`, peak 1.
    """
    samples = fft.next_fast_len(max(64, int(seconds * sample_rate)), real=True)
    shrink = 10 ** (-3.0 / samples)
    angle = np.arange(samples // 2 + 1) * (2 * np.pi / samples)
    delay = np.exp(-1j * angle) * shrink
    period = sample_rate / frequency
    soft = 0.5 - 0.42 * bright
    turn = np.exp(-1j * angle * (period - soft)) * shrink ** (period - soft)
    loop = 10 ** (-3.0 / (frequency * decay)) * turn * (1 - soft + soft * delay)
    pick = 1 - 0.8 * np.exp(-1j * angle * period * rng.uniform(0.12, 0.3))
    burst = rng.uniform(-0.6, 0.6, int(period) + 1)
    burst[0] += 0.5 * np.sqrt(period)
    burst = signal.lfilter((bright + 0.08,), (1, bright - 0.92), burst)
    burst -= burst.mean()
    struck = fft.rfft(burst * shrink ** np.arange(len(burst)), samples)
    sound = fft.irfft(struck * pick / (1 - loop), samples) * shrink ** -np.arange(samples)
    sound[-samples // 10 :] *= np.linspace(1, 0, samples // 10 + (samples % 10 > 0))
    return (sound / (np.abs(sound).max() + 1e-9)).astype(np.float32)
