"""Play single lines, basses and drums as float arrays."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from scipy import signal

from keras_mmdense.synthesis.signals import (
    SHAPES,
    Rng,
    add_at,
    band,
    chorus,
    curve,
    filtered,
    hertz,
    pluck,
    resonant,
    wave,
)
from keras_mmdense.synthesis.songwriting import Hit, Note


def play_each(
    notes: Sequence[Note],
    samples: int,
    sample_rate: int,
    tone: Callable[[float, float], np.ndarray],
    ring: float,
) -> np.ndarray:
    """Play notes with a tone that is synthesized once for each pitch.

    Args:
        notes: What to play.
        samples: Length of the track.
        sample_rate: Sample rate.
        tone: Makes the sound of a frequency in Hz for a number of seconds.
        ring: Seconds a note takes to fade after its end.

    Returns:
        `(samples,)`.
    """
    track = np.zeros(samples, np.float32)
    tones: dict[float, np.ndarray] = {}
    lasting = min(2.5, ring + 0.05 + max((note.length for note in notes), default=0.0))
    fade = np.linspace(1, 0, max(2, int(ring * sample_rate)), dtype=np.float32)
    for note in notes:
        if note.pitch not in tones:
            tones[note.pitch] = tone(float(hertz(note.pitch)), lasting)
        sound = tones[note.pitch][: int(note.length * sample_rate) + len(fade)].copy()
        tail = min(len(fade), len(sound))
        sound[-tail:] *= fade[-tail:]
        add_at(track, sound, int(note.start * sample_rate), note.velocity)
    return track


def play_line(
    notes: Sequence[Note],
    samples: int,
    sample_rate: int,
    *,
    shape: str,
    cutoff: tuple[float, float],
    q: float,
    decay: float,
    attack: float = 0.005,
) -> np.ndarray:
    """Play one voice: an oscillator through a resonant low-pass that closes on each note.

    Args:
        notes: Notes in order, not overlapping.
        samples: Length of the track.
        sample_rate: Sample rate.
        shape: Oscillator, one of `SHAPES`.
        cutoff: Hz of the closed and of the open filter.
        q: Resonance.
        decay: Seconds in which the filter closes.
        attack: Seconds of the rise of each note.

    Returns:
        `(samples,)`.
    """
    pitch, level, opening = _gestures(notes, attack, decay)
    source = wave(SHAPES[shape], curve(pitch, samples, sample_rate), sample_rate)
    closed = filtered(resonant(cutoff[0], q, sample_rate), source)
    opened = filtered(resonant(cutoff[1], q, sample_rate), source)
    return curve(level, samples, sample_rate) * (
        closed + curve(opening, samples, sample_rate) * (opened - closed)
    )


def _gestures(
    notes: Sequence[Note], attack: float, decay: float
) -> tuple[list[tuple[float, float]], ...]:
    """Break points of frequency, loudness and filter opening over seconds."""
    pitch, level, opening = [(0.0, hertz(notes[0].pitch))], [(0.0, 0.0)], [(0.0, 0.0)]
    for note in notes:
        start, end = note.start, note.start + max(note.length, 0.03)
        rise = min(attack, 0.3 * (end - start))
        pitch += [
            (start, pitch[-1][1]),
            (start + (0.07 if note.slide else 0.002), hertz(note.pitch)),
        ]
        level += [(start, 0.0), (start + rise, note.velocity)]
        level += [(end - 0.012, 0.75 * note.velocity), (end, 0.0)]
        opening += [
            (start, 0.0),
            (start + rise, 1.0),
            (start + decay / 2, 0.35),
            (start + decay, 0.0),
        ]
    return pitch, level, opening


def play_bass(notes: Sequence[Note], samples: int, sample_rate: int, rng: Rng) -> np.ndarray:
    """Play a bass line with a bass chosen by `rng`: sub, saw, square, or plucked.

    Args:
        notes: Notes in order, not overlapping.
        samples: Length of the track.
        sample_rate: Sample rate.
        rng: Source of all choices.

    Returns:
        `(2, samples)`, nearly mono.
    """
    kind = str(rng.choice(("sub", "saw", "square", "pluck", "pluck", "pluck")))
    if not notes:
        return np.zeros((2, samples), np.float32)
    if kind == "pluck":
        bright, decay = rng.uniform(0.0, 0.4), rng.uniform(2.0, 6.0)

        def tone(frequency: float, seconds: float) -> np.ndarray:
            return pluck(frequency, seconds, sample_rate, rng, bright, decay)

        track = play_each(notes, samples, sample_rate, tone, 0.04)
        track = filtered(band(0, rng.uniform(80, 200), sample_rate), track)
        track = filtered(band(0, rng.uniform(600, 3000), sample_rate, 1), track)
    else:
        shape = {"sub": "sine"}.get(kind, kind)
        cutoff = (rng.uniform(70, 160), rng.uniform(200, 700))
        q, decay = rng.uniform(0.6, 1.6), rng.uniform(0.08, 0.5)
        track = play_line(notes, samples, sample_rate, shape=shape, cutoff=cutoff, q=q, decay=decay)
    drive = rng.uniform(0.4, 1.6)
    track = np.tanh(drive * track / (np.abs(track).max() + 1e-9))
    if rng.random() < 0.35:
        return chorus(track, sample_rate, rng.uniform(0.02, 0.15), 0.7, 0.2)
    return np.stack((track, track))


def _decaying(seconds: float, decay: float, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    return time, np.exp(-time / decay) * np.minimum(1, time / 0.0007)


def _sweep(top: float, bottom: float, fall: float, decay: float, sample_rate: int) -> np.ndarray:
    time, level = _decaying(5 * decay, decay, sample_rate)
    cycles = bottom * time + (top - bottom) * fall * (1 - np.exp(-time / fall))
    return np.sin(2 * np.pi * cycles) * level


def _burst(
    low: float, high: float, decay: float, sample_rate: int, rng: Rng, metal: float = 0.0
) -> np.ndarray:
    time, level = _decaying(5 * decay, decay, sample_rate)
    sound = rng.standard_normal((2, len(time))) * (1 - metal)
    if metal:
        partials = rng.uniform(300, 900, 4) * rng.uniform(1, 6, 4)
        tones = np.sign(np.sin(2 * np.pi * partials[:, None] * time)).prod(axis=0)
        sound = sound + metal * tones
    return signal.sosfilt(band(low, high, sample_rate), sound) * level


def _unit(sound: np.ndarray) -> np.ndarray:
    sound = np.array(np.broadcast_to(sound, (2, sound.shape[-1])), np.float32)
    fade = min(200, sound.shape[-1])
    sound[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return sound / (np.abs(sound).max() + 1e-9)


def make_kit(names: AbstractSet[str], sample_rate: int, rng: Rng) -> dict[str, np.ndarray]:
    """Make one sound of each drum.

    Args:
        names: The drums wanted.
        sample_rate: Sample rate.
        rng: Source of all choices.

    Returns:
        Drum name to float32 `(2, samples)`, panned and at its level in the kit.
    """
    spread = rng.uniform(0.1, 0.8)
    kit = {}
    for name, (sound, level) in (
        _skins(sample_rate, rng) | _metals(names, sample_rate, rng)
    ).items():
        side = {"kick": 0, "snare": 0.1, "low_tom": -0.7, "mid_tom": 0, "high_tom": 0.7}.get(name)
        side = spread * (rng.uniform(-1, 1) if side is None else side)
        kit[name] = _unit(sound) * np.array([[level - level * side], [level + level * side]], "f4")
    return kit


def _skins(sample_rate: int, rng: Rng) -> dict[str, tuple[np.ndarray, float]]:
    """Drums with a head, and claps: each a sound and its level."""

    def with_click(sound: np.ndarray, gain: float) -> np.ndarray:
        return _layered(sound, _burst(700, 7000, 0.005, sample_rate, rng), gain)

    low = rng.uniform(42, 62)
    fall, length = rng.uniform(0.015, 0.05), rng.uniform(0.05, 0.2)
    kick = with_click(
        _sweep(low * rng.uniform(2.5, 6), low, fall, length, sample_rate), rng.uniform(0.1, 0.6)
    )
    tune, ring = rng.uniform(150, 230), rng.uniform(0.03, 0.09)
    body = _layered(
        _sweep(1.5 * tune, tune, 0.02, ring, sample_rate),
        _sweep(3.2 * tune, rng.uniform(2.2, 3.2) * tune, 0.02, ring, sample_rate),
        rng.uniform(0.2, 0.8),
    )
    wires = _burst(
        rng.uniform(200, 600), rng.uniform(4000, 10000), rng.uniform(0.04, 0.13), sample_rate, rng
    )
    clap = _burst(700, 3500, rng.uniform(0.04, 0.09), sample_rate, rng)
    claps = clap.copy()
    for delay in (0.011, 0.021):
        claps[:, int(delay * sample_rate) :] += clap[:, : -int(delay * sample_rate)]
    skins = {
        "kick": (kick, rng.uniform(0.55, 1.0)),
        "snare": (
            _layered(_unit(wires), _unit(body), rng.uniform(0.3, 1.2)),
            rng.uniform(0.7, 1.0),
        ),
        "clap": (claps, rng.uniform(0.5, 0.9)),
        "rim": (with_click(_sweep(900, 800, 0.01, 0.012, sample_rate), 0.5), 0.6),
    }
    deep = rng.uniform(75, 100)
    for name, ratio in (("low_tom", 1.0), ("mid_tom", 1.4), ("high_tom", 1.9)):
        tom = _sweep(1.7 * deep * ratio, deep * ratio, 0.04, rng.uniform(0.08, 0.16), sample_rate)
        skins[name] = (with_click(tom, 0.25), 0.8)
    return skins


def _metals(
    names: AbstractSet[str], sample_rate: int, rng: Rng
) -> dict[str, tuple[np.ndarray, float]]:
    """Cymbals and shakers: each a sound and its level."""
    edge, metal, level = rng.uniform(3500, 7500), rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.45)
    closed, opened = rng.uniform(0.012, 0.04), rng.uniform(0.08, 0.2)
    made = {
        "hat": (edge, closed, metal, level),
        "open_hat": (edge, opened, metal, 0.9 * level),
        "ride": (2500, rng.uniform(0.15, 0.3), 0.7, 0.3),
        "crash": (1500, rng.uniform(0.3, 0.6), 0.3, 0.5),
        "shaker": (6000, 0.03, 0.0, 0.25),
    }
    return {
        name: (_burst(low, 13000, decay, sample_rate, rng, tuned), loudness)
        for name, (low, decay, tuned, loudness) in made.items()
        if name in names
    }


def _layered(long: np.ndarray, short: np.ndarray, gain: float) -> np.ndarray:
    size = max(long.shape[-1], short.shape[-1])
    out = np.zeros((2, size))
    out[:, : long.shape[-1]] += long
    out[:, : short.shape[-1]] += gain * short
    return out


def play_drums(hits: Sequence[Hit], samples: int, sample_rate: int, rng: Rng) -> np.ndarray:
    """Play a drum part with a kit chosen by `rng`.

    Args:
        hits: Strokes.
        samples: Length of the track.
        sample_rate: Sample rate.
        rng: Source of all choices.

    Returns:
        `(2, samples)`.
    """
    kit = make_kit({hit.drum for hit in hits}, sample_rate, rng)
    track = np.zeros((2, samples), np.float32)
    for hit in hits:
        add_at(track, kit[hit.drum], int(hit.start * sample_rate), hit.velocity**1.5)
    drive = rng.uniform(0.4, 1.2)
    return np.tanh(drive * track) / drive
