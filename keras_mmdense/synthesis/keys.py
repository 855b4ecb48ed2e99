"""Play the chords and counter-melodies: pads, organ, pianos, guitars, arpeggios, leads."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import fft

from keras_mmdense.synthesis.instruments import play_each, play_line
from keras_mmdense.synthesis.parts import write_chords, write_melody
from keras_mmdense.synthesis.signals import Rng, add_at, band, chorus, echo, filtered, hertz, pluck
from keras_mmdense.synthesis.songwriting import Note, Song

_FIGURES = {
    "pad": ("held",),
    "organ": ("held", "comp"),
    "electric_piano": ("comp", "held"),
    "piano": ("comp", "arpeggio", "comp"),
    "guitar": ("strum", "strum", "arpeggio"),
    "distorted": ("comp", "strum"),
    "synth": ("arpeggio",),
}


def play_other(song: Song, samples: int, sample_rate: int, rng: Rng) -> np.ndarray:
    """Play one or two chord instruments, and at times a lead, chosen by `rng`.

    Args:
        song: The plan.
        samples: Length of the track.
        sample_rate: Sample rate.
        rng: Source of all choices.

    Returns:
        `(2, samples)`.
    """
    track = np.zeros((2, samples), np.float32)
    tone = band(0, rng.uniform(2500, 11000), sample_rate, int(rng.integers(1, 3)))
    names = rng.permutation(list(_FIGURES))[: int(rng.choice((1, 2, 2)))]
    for layer, name in enumerate(names):
        notes = write_chords(song, rng, str(rng.choice(_FIGURES[str(name)])))
        if name == "distorted":
            notes = [note for note in notes if note.pitch < 64] or notes
        sound = _play_chords(str(name), notes, samples, sample_rate, rng)
        track += leveled(sound, 1.0 if layer == 0 else rng.uniform(0.3, 0.8))
    if rng.random() < 0.5:
        kinds = ("intro", "solo", "outro", "break") if rng.random() < 0.7 else ()
        phrases = write_melody(song, rng, "other", int(rng.integers(66, 78)), kinds)
        lead = [note for phrase in phrases for note in phrase]
        if lead:
            track += leveled(
                _play_lead(lead, song, samples, sample_rate, rng), rng.uniform(0.4, 0.9)
            )
    return filtered(tone, track)


def leveled(sound: np.ndarray, level: float) -> np.ndarray:
    """Return a sound whose root mean square is `level`."""
    return sound * np.float32(level / (np.sqrt((sound**2).mean()) + 1e-9))


def _play_chords(
    name: str, notes: Sequence[Note], samples: int, sample_rate: int, rng: Rng
) -> np.ndarray:
    if name in ("pad", "organ"):
        return _play_pad(notes, samples, sample_rate, rng, organ=name == "organ")
    if name == "synth":
        cutoff = (rng.uniform(300, 900), rng.uniform(1500, 6000))
        shape = str(rng.choice(("saw", "square", "triangle")))
        q, decay = rng.uniform(0.7, 4), rng.uniform(0.06, 0.25)
        track = play_line(notes, samples, sample_rate, shape=shape, cutoff=cutoff, q=q, decay=decay)
        return echo(
            chorus(track, sample_rate, rng.uniform(0.2, 0.8), 0.4),
            rng.uniform(0.2, 0.4),
            0.4,
            sample_rate,
        )
    tone, ring = {
        "electric_piano": (_electric_piano, 0.12),
        "piano": (_piano, 0.15),
        "guitar": (_guitar, 0.08),
        "distorted": (_guitar, 0.03),
    }[name]
    settings = rng.uniform(size=4)
    track = play_each(notes, samples, sample_rate, partial(tone, sample_rate, rng, settings), ring)
    if name == "distorted":
        gain = rng.uniform(4, 20) / (np.abs(track).max() + 1e-9)
        track = filtered(band(90, rng.uniform(3500, 6000), sample_rate), np.tanh(gain * track))
    wet = rng.uniform(0.1, 0.5)
    return chorus(track, sample_rate, rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.9), wet)


def _play_pad(
    notes: Sequence[Note], samples: int, sample_rate: int, rng: Rng, *, organ: bool
) -> np.ndarray:
    track = np.zeros((2, samples), np.float32)
    dark = rng.uniform(0.7, 1.8)
    bars = rng.uniform(0, 1, 9) ** 2
    attack, release = (0.01, 0.06) if organ else (rng.uniform(0.03, 0.3), rng.uniform(0.15, 0.5))
    size = (
        fft.next_fast_len(int((max(note.length for note in notes) + release) * sample_rate) + 1)
        if notes
        else 0
    )
    tones: dict[float, np.ndarray] = {}
    for note in notes:
        if note.pitch not in tones:
            levels = _organ_levels(bars) if organ else 1 / np.arange(1, 40) ** dark
            tones[note.pitch] = _blurred(
                hertz(note.pitch), levels, size, sample_rate, rng, not organ
            )
        length = int((note.length + release) * sample_rate)
        rise, fall = (
            int(min(attack, note.length / 2) * sample_rate) + 1,
            int(release * sample_rate) + 1,
        )
        sound = tones[note.pitch][:, :length].copy()
        sound[:, :rise] *= np.linspace(0, 1, rise, dtype=np.float32)
        sound[:, -fall:] *= np.linspace(1, 0, fall, dtype=np.float32)[-sound.shape[1] :]
        add_at(track, sound, int(note.start * sample_rate), note.velocity)
    return track


def _organ_levels(bars: np.ndarray) -> np.ndarray:
    levels = np.zeros(16)
    levels[[0, 1, 2, 3, 5, 7, 9, 11, 15]] = bars / np.array((1, 1, 1.5, 2, 3, 4, 5, 6, 8))
    levels[0] += 0.5
    return levels


def _blurred(
    frequency: float, levels: np.ndarray, size: int, sample_rate: int, rng: Rng, wide: bool
) -> np.ndarray:
    spectrum = np.zeros((2, size // 2 + 1), np.complex64)
    for number, level in enumerate(levels, 1):
        center = number * frequency * size / sample_rate
        spread = max(1.0, center * (0.006 if wide else 0.0006))
        first, last = int(center - 3 * spread), int(center + 3 * spread) + 2
        if last >= spectrum.shape[1] * 0.9:
            break
        bell = np.exp(-0.5 * ((np.arange(first, last) - center) / spread) ** 2) / np.sqrt(spread)
        turns = rng.uniform(0, 2 * np.pi, (2, last - first))
        spectrum[:, first:last] += level * bell * np.exp(1j * turns)
    sound = fft.irfft(spectrum, size)
    return (sound / (sound.std() * 4 + 1e-12)).astype(np.float32)


def _electric_piano(
    sample_rate: int, rng: Rng, settings: np.ndarray, frequency: float, seconds: float
) -> np.ndarray:
    time = np.arange(int(seconds * sample_rate), dtype=np.float32) / np.float32(sample_rate)
    angle = np.float32(2 * np.pi * frequency) * time
    fade = np.exp(-time * np.float32(1.0 + settings[0] * 2))
    bell = np.float32(0.3 + 1.2 * settings[1]) * fade * np.sin(angle)
    tine = np.float32(0.25 * settings[2]) * np.sin(7 * angle) * np.exp(-time * np.float32(9))
    return np.minimum(1, time * np.float32(300)) * fade * np.sin(angle + bell + tine)


def _piano(
    sample_rate: int, rng: Rng, settings: np.ndarray, frequency: float, seconds: float
) -> np.ndarray:
    time = np.arange(int(seconds * sample_rate), dtype=np.float32) / np.float32(sample_rate)
    sound = np.zeros(len(time), np.float32)
    for number in range(1, 1 + int(min(11, 0.4 * sample_rate / frequency))):
        stretched = frequency * number * np.sqrt(1 + 3e-4 * number**2)
        angle = np.float32(2 * np.pi * stretched) * time + np.float32(rng.uniform(0, 6.28))
        fall = np.exp(-time * np.float32((0.6 + 0.5 * number) * (frequency / 260) ** 0.5))
        sound += np.float32(number ** -(1.0 + settings[0])) * fall * np.sin(angle)
    return np.float32(0.6) * sound * np.minimum(1, time * np.float32(500))


def _guitar(
    sample_rate: int, rng: Rng, settings: np.ndarray, frequency: float, seconds: float
) -> np.ndarray:
    bright, decay = 0.25 + 0.7 * settings[0], 1.0 + 3.0 * settings[1]
    string = pluck(frequency, seconds, sample_rate, rng, bright, decay)
    return 2 * filtered(band(0, 400 + 2000 * settings[2], sample_rate, 1), string)


def _play_lead(
    notes: Sequence[Note], song: Song, samples: int, sample_rate: int, rng: Rng
) -> np.ndarray:
    shape = str(rng.choice(("saw", "square", "triangle", "saw")))
    cutoff = (rng.uniform(500, 1500), rng.uniform(2000, 6000))
    q, decay = rng.uniform(0.7, 3), rng.uniform(0.1, 0.6)
    gliding = [
        Note(note.start, note.length, note.pitch, note.velocity, bool(rng.random() < 0.3))
        for note in notes
    ]
    track = play_line(
        gliding, samples, sample_rate, shape=shape, cutoff=cutoff, q=q, decay=decay, attack=0.015
    )
    return echo(chorus(track, sample_rate, 0.3, 0.6), 3 * song.step_seconds, 0.35, sample_rate)
