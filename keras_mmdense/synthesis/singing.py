"""Sing phrases: a gliding, trembling glottal source through moving formants, and consonants."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import fft

from keras_mmdense.synthesis.signals import Rng, add_at, band, curve, filtered, hertz, panned, wave
from keras_mmdense.synthesis.songwriting import Note

_CONTROL = 250
# Formant frequencies in Hz of a male voice; the sixth is air.
_FORMANTS = {
    "a": (750, 1150, 2500, 3350, 4300, 7500),
    "e": (500, 1850, 2500, 3400, 4300, 7500),
    "i": (290, 2250, 2950, 3500, 4400, 7500),
    "o": (470, 830, 2450, 3300, 4200, 7500),
    "u": (320, 750, 2300, 3250, 4200, 7500),
    "nasal": (260, 1150, 2250, 3200, 4200, 7500),
}
_LEVELS = {
    "a": (1.0, 0.9, 0.6, 0.5, 0.3, 0.12),
    "e": (1.0, 0.65, 0.6, 0.5, 0.3, 0.12),
    "i": (1.0, 0.5, 0.55, 0.45, 0.3, 0.12),
    "o": (1.0, 0.7, 0.3, 0.3, 0.16, 0.08),
    "u": (1.0, 0.5, 0.2, 0.2, 0.1, 0.06),
    "nasal": (0.6, 0.1, 0.08, 0.06, 0.04, 0.02),
}
_WIDTHS = np.array((90.0, 110.0, 160.0, 220.0, 320.0, 3500.0))
# Low and high edge in Hz, seconds, and level of each consonant's noise.
_NOISES = {
    "s": (5000, 11000, 0.11, 0.3),
    "sh": (2200, 6500, 0.11, 0.3),
    "t": (3200, 9000, 0.035, 0.35),
    "k": (1300, 3500, 0.04, 0.35),
    "f": (1500, 9000, 0.08, 0.1),
    "h": (600, 5000, 0.07, 0.1),
}
_BREATH = (800, 7000, 0.3, 0.06)


@dataclass
class _Lines:
    """Break points over time of everything that moves while singing."""

    pitch: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 60.0)])
    level: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])
    tremor: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])
    mouth: list[tuple[float, str]] = field(default_factory=lambda: [(0.0, "a")])
    noises: list[tuple[float, str, float]] = field(default_factory=list)


def play_vocals(
    phrases: Sequence[Sequence[Note]], samples: int, sample_rate: int, rng: Rng
) -> np.ndarray:
    """Sing phrases with a voice chosen by `rng`, at times doubled or in octaves.

    Args:
        phrases: What to sing; notes in order.
        samples: Length of the track.
        sample_rate: Sample rate.
        rng: Source of all choices.

    Returns:
        `(2, samples)`.
    """
    center = np.mean([note.pitch for phrase in phrases for note in phrase] or [60])
    size = float(np.clip(1.0 + 0.02 * (center - 53), 0.95, 1.28)) * rng.uniform(0.95, 1.05)
    tilt, breathy = rng.uniform(0.45, 0.95), rng.uniform(0.01, 0.09)
    lyrics = int(rng.integers(2**31))

    def sing(detune: float) -> np.ndarray:
        lines = _write_lines(phrases, np.random.default_rng(lyrics), rng)
        return _render(lines, samples, sample_rate, size, tilt, breathy, detune, rng)

    track = panned(sing(0.0), rng.uniform(-0.1, 0.1))
    if rng.random() < 0.3:
        double = rng.uniform(0.25, 0.6)
        side = rng.uniform(0.3, 0.9)
        track += double * panned(sing(float(rng.choice((0.08, -0.08, 12.0)))), side)
    return track


def _write_lines(phrases: Sequence[Sequence[Note]], lyrics: Rng, rng: Rng) -> _Lines:
    lines = _Lines()
    depth, wait = rng.uniform(0.15, 0.55), rng.uniform(0.12, 0.35)
    consonants = ["s", "sh", "t", "k", "f", "h", "nasal", "nasal", "", "", ""]
    for phrase in phrases:
        if lyrics.random() < 0.6:
            lines.noises.append((phrase[0].start - 0.36, "breath", 1.0))
        for index, note in enumerate(phrase):
            word = str(lyrics.choice(consonants)) if index else str(lyrics.choice(consonants[:-3]))
            vowels = lyrics.choice(list("aeiouaeo"), 2, replace=True).tolist()
            following = phrase[index + 1].start if index + 1 < len(phrase) else np.inf
            end = min(note.start + note.length, following)
            _add_pitch(lines, note, end, depth, wait, rng)
            last = following - end > 0.02
            _add_syllable(lines, note, end, word, vowels, legato=index > 0, last=last)
    return lines


def _add_pitch(lines: _Lines, note: Note, end: float, depth: float, wait: float, rng: Rng) -> None:
    length = end - note.start
    glide = min(0.05 + 0.04 * rng.random(), 0.4 * length)
    scoop = -rng.uniform(0, 1.2) * (rng.random() < 0.35)
    lines.pitch += [
        (note.start - 0.02, note.pitch + scoop if scoop else lines.pitch[-1][1]),
        (note.start - 0.02 + glide, note.pitch),
        (end - 0.02, note.pitch),
    ]
    sway = depth * min(1.0, max(0.0, length - wait) / 0.4)
    lines.tremor += [(note.start + min(wait, 0.5 * length), 0.0), (end - 0.03, sway), (end, 0.0)]


def _add_syllable(
    lines: _Lines,
    note: Note,
    end: float,
    word: str,
    vowels: Sequence[str],
    legato: bool,
    last: bool,
) -> None:
    start, length, loud = note.start, end - note.start, note.velocity
    before = lines.level[-1][1] if legato else 0.0
    if word in _NOISES:
        gap = min(_NOISES[word][2], 0.35 * length)
        lines.noises.append((start - 0.4 * gap, word, loud))
        lines.level += [(start - 0.4 * gap, 0.0), (start + 0.6 * gap, 0.0)]
        opened = start + 0.6 * gap
    elif word == "nasal":
        hum = min(0.07, 0.3 * length)
        lines.mouth += [(start - 0.02, "nasal"), (start + hum - 0.02, "nasal")]
        lines.level += [(start - 0.02, 0.6 * loud if legato else 0.0), (start, 0.6 * loud)]
        opened = start + hum
    else:
        lines.level += [(start - 0.01, before), (start, before)]
        opened = start
    rise = min(0.05, 0.3 * length)
    middle = start + 0.55 * length
    lines.mouth += [(opened + 0.02, vowels[0]), (middle, vowels[0])]
    lines.mouth += [(middle + min(0.15, 0.2 * length), vowels[1]), (end - 0.03, vowels[1])]
    fall = min(0.12 if last else 0.03, 0.3 * length)
    lines.level += [(opened + rise, loud), (end - fall, 0.85 * loud)]
    lines.level += [(end - 0.01, 0.0 if last else 0.75 * loud)]


def _render(
    lines: _Lines,
    samples: int,
    sample_rate: int,
    size: float,
    tilt: float,
    breathy: float,
    detune: float,
    rng: Rng,
) -> np.ndarray:
    ticks = int(samples / sample_rate * _CONTROL) + 2
    smooth = np.hanning(13) / np.hanning(13).sum()
    lines.pitch[0] = (0.0, lines.pitch[min(1, len(lines.pitch) - 1)][1])
    pitch = np.convolve(np.pad(curve(lines.pitch, ticks, _CONTROL), 6, "edge"), smooth, "valid")
    speed = 2 * np.pi * (rng.uniform(4.8, 6.4) + _wander(ticks, 0.4, rng)) / _CONTROL
    pitch = pitch + curve(lines.tremor, ticks, _CONTROL) * np.sin(np.cumsum(speed))
    pitch += detune + _wander(ticks, 0.06, rng) + rng.normal(0, 0.03, ticks)
    level = np.convolve(np.pad(curve(lines.level, ticks, _CONTROL), 6, "edge"), smooth, "valid")
    shimmer = 1 + _wander(ticks, 0.08, rng) + rng.normal(0, 0.02, ticks)
    at = np.arange(samples) * (_CONTROL / sample_rate)
    frequency = np.interp(at, np.arange(ticks), hertz(pitch))
    loud = np.interp(at, np.arange(ticks), level * shimmer).astype(np.float32)
    source = wave(lambda number: 1.0 / number**tilt, frequency, sample_rate)
    hiss = np.diff(rng.standard_normal(samples, np.float32), prepend=np.float32(0))
    source += np.float32(breathy) * hiss * (1 + source)
    voice = _through_mouth(source * loud, lines.mouth, size, sample_rate)
    voice /= np.sqrt((voice**2).mean() / max(1e-6, (loud**2).mean())) + 1e-9
    return _add_noises(voice, lines.noises, sample_rate, rng)


def _wander(ticks: int, amount: float, rng: Rng) -> np.ndarray:
    """Slow random motion of about that standard deviation."""
    knots = rng.normal(0, amount, ticks // 20 + 2)
    return np.interp(np.arange(ticks) / 20, np.arange(len(knots)), knots)


def _through_mouth(
    source: np.ndarray, mouth: Sequence[tuple[float, str]], size: float, sample_rate: int
) -> np.ndarray:
    """Filter with formants that move: windowed frames, each through its own response."""
    frame = 2 ** int(np.round(np.log2(0.023 * sample_rate)))
    hop, frames = frame // 2, len(source) // (frame // 2) + 2
    padded = np.zeros((frames + 1) * hop, np.float32)
    padded[hop : hop + len(source)] = source
    window = np.sin(np.pi * (np.arange(frame) + 0.5) / frame).astype(np.float32) ** 2
    pieces = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop] * window
    times = np.array([time for time, _ in mouth])
    shapes = np.array([(*np.log(_FORMANTS[name]), *_LEVELS[name]) for _, name in mouth])
    centers = np.arange(len(pieces)) * hop / sample_rate
    times = np.maximum.accumulate(times)
    wanted = np.stack([np.interp(centers, times, column) for column in shapes.T], 1)
    wanted = np.round(wanted * 30) / 30
    distinct, which = np.unique(wanted, axis=0, return_inverse=True)
    response = _response(
        np.exp(distinct[:, :6]) * size, distinct[:, 6:], size, 2 * frame, sample_rate
    )
    spectra = fft.rfft(pieces, 2 * frame, axis=1) * response[which.reshape(-1)]
    sung = fft.irfft(spectra, 2 * frame, axis=1)
    out = np.zeros((len(pieces) + 3, hop), np.float32)
    for part in range(4):
        out[part : part + len(pieces)] += sung[:, part * hop : (part + 1) * hop]
    return out.reshape(-1)[hop : hop + len(source)]


def _response(
    formants: np.ndarray, levels: np.ndarray, size: float, length: int, sample_rate: int
) -> np.ndarray:
    """Complex responses `(shapes, bins)` of parallel formant resonances."""
    frequency = fft.rfftfreq(length, 1 / sample_rate).astype(np.float32)
    total = np.zeros((len(formants), len(frequency)), np.complex64)
    for index in range(formants.shape[1]):
        center = formants[:, index, None].astype(np.float32)
        width = np.float32(_WIDTHS[index] * size)
        resonance = center**2 - frequency**2 + 1j * frequency * width
        shape = center * width if index == 0 else 1j * frequency * width
        sign = 1 - 2 * (index % 2)
        total += sign * levels[:, index, None].astype(np.float32) * shape / resonance
    return total


def _add_noises(
    voice: np.ndarray, noises: Sequence[tuple[float, str, float]], sample_rate: int, rng: Rng
) -> np.ndarray:
    made: dict[str, np.ndarray] = {}
    for start, name, loud in noises:
        low, high, seconds, level = _NOISES.get(name, _BREATH)
        if name not in made:
            noise = filtered(
                band(low, high, sample_rate), rng.standard_normal(int(seconds * sample_rate))
            )
            shape = np.hanning(len(noise)) if seconds > 0.05 else np.linspace(1, 0, len(noise)) ** 2
            made[name] = (shape * noise / (noise.std() + 1e-9)).astype(np.float32)
        add_at(voice, made[name], max(0, int(start * sample_rate)), level * loud)
    return voice
