"""Play drums, bass and other with the recorded sounds of a SoundFont, through FluidSynth."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.synthesis.keys import leveled
from keras_mmdense.synthesis.parts import write_bass, write_chords, write_drums, write_melody
from keras_mmdense.synthesis.signals import Rng
from keras_mmdense.synthesis.songwriting import Hit, Note, Song
from keras_mmdense.utils.quiet import quiet_stderr

# Programs of General MIDI, counted from 0. Voices are left out: they would be vocals.
_KITS = (0, 8, 16, 24, 25, 32, 40)
_BASSES = tuple(range(32, 40))
_CHORDS = {
    "held": (0, 4, 5, 16, 17, 18, 19, 48, 49, 50, 51, 88, 89, 90, 94, 95),
    "comp": (0, 1, 2, 3, 4, 5, 7, 16, 17, 18, 26, 27, 29, 30, 61, 62, 63, 90),
    "strum": (24, 25, 26, 27, 28, 29, 30),
    "arpeggio": (0, 4, 6, 11, 12, 13, 24, 25, 26, 45, 46, 80, 81, 88),
}
_LEADS = (11, 22, 40, 41, 56, 57, 60, 64, 65, 66, 68, 71, 73, 75, 80, 81, 84)
_KEYS = {
    "kick": (35, 36),
    "snare": (38, 40),
    "clap": (39,),
    "rim": (37,),
    "hat": (42,),
    "open_hat": (46,),
    "ride": (51, 59),
    "crash": (49, 57),
    "shaker": (82, 70),
    "low_tom": (41, 43),
    "mid_tom": (45, 47),
    "high_tom": (48, 50),
}
_DRUM_CHANNEL, _DRUM_BANK = 9, 128
_RING = 0.1  # Seconds until a drum's key is released.


def play_song(
    song: Song, soundfont: Path, samples: int, sample_rate: int, rngs: dict[str, Rng]
) -> dict[str, np.ndarray]:
    """Play the instruments of a song.

    Args:
        song: The plan.
        soundfont: A SoundFont with the programs of General MIDI.
        samples: Length of the tracks.
        sample_rate: Sample rate in Hz.
        rngs: Source of all choices of each stem.

    Returns:
        "drums", "bass" and "other", each float32 `(2, samples)`.

    Raises:
        InputError: If the file cannot be loaded or lacks a family of programs.
    """
    player = _Player(soundfont, samples, sample_rate)
    return {
        "drums": player.drums(write_drums(song, rngs["drums"]), rngs["drums"]),
        "bass": player.notes(write_bass(song, rngs["bass"]), _BASSES, rngs["bass"], pan=0.0),
        "other": _play_other(player, song, rngs["other"]),
    }


def _play_other(player: "_Player", song: Song, rng: Rng) -> np.ndarray:
    """Play one or two chord instruments, and at times a lead."""
    track = np.zeros((2, player.samples), np.float32)
    for layer in range(int(rng.choice((1, 2, 2)))):
        figure = str(rng.choice(list(_CHORDS)))
        sound = player.notes(write_chords(song, rng, figure), _CHORDS[figure], rng, pan=0.6)
        track += leveled(sound, 1.0 if layer == 0 else rng.uniform(0.3, 0.9))
    if rng.random() < 0.5:
        phrases = write_melody(song, rng, "other", int(rng.integers(62, 78)))
        lead = [note for phrase in phrases for note in phrase]
        track += leveled(player.notes(lead, _LEADS, rng, pan=0.3), rng.uniform(0.4, 0.9))
    return track


class _Player:
    """Plays one part at a time, with a synthesizer of its own."""

    def __init__(self, soundfont: Path, samples: int, sample_rate: int):
        try:
            import fluidsynth
        except ImportError as error:
            raise InputError(f"SoundFonts need FluidSynth 2 (libfluidsynth): {error}") from error
        if not soundfont.is_file():
            raise InputError(f"{soundfont}: no such file")
        self._synth = fluidsynth.Synth
        self.soundfont, self.samples, self.sample_rate = soundfont, samples, sample_rate

    def drums(self, hits: Iterable[Hit], rng: Rng) -> np.ndarray:
        keys = {drum: int(rng.choice(choices)) for drum, choices in _KEYS.items()}
        notes = [Note(hit.start, _RING, keys[hit.drum], hit.velocity) for hit in hits]
        return self._play(notes, _DRUM_CHANNEL, _DRUM_BANK, _KITS, rng)

    def notes(
        self, notes: Sequence[Note], programs: Sequence[int], rng: Rng, pan: float
    ) -> np.ndarray:
        """Play notes with one of the programs, at most `pan` (0 to 1) from the center."""
        sound = self._play(notes, 0, 0, programs, rng)
        side = pan * rng.uniform(-1, 1)
        return sound * np.array([[1 - max(side, 0)], [1 + min(side, 0)]], np.float32)

    def _play(
        self, notes: Iterable[Note], channel: int, bank: int, programs: Sequence[int], rng: Rng
    ) -> np.ndarray:
        synth = self._synth(gain=0.4, samplerate=float(self.sample_rate))
        try:
            synth.setting("synth.reverb.active", 0)
            synth.setting("synth.dynamic-sample-loading", 1)  # of one program, not of all
            with quiet_stderr():
                font = synth.sfload(str(self.soundfont))
            if font < 0:
                raise InputError(f"{self.soundfont}: not a SoundFont that FluidSynth can load")
            found = [x for x in programs if synth.sfpreset_name(font, bank, x) is not None]
            if not found:
                raise InputError(
                    f"{self.soundfont}: has none of the General MIDI programs "
                    f"{', '.join(map(str, programs))} in bank {bank}"
                )
            synth.program_select(channel, font, bank, int(rng.choice(found)))
            return self._render(synth, channel, _events(notes, self.sample_rate))
        finally:
            synth.delete()

    def _render(
        self, synth: Any, channel: int, events: Iterable[tuple[int, int, int]]
    ) -> np.ndarray:
        track, done = np.zeros((2, self.samples), np.float32), 0
        for at, velocity, pitch in (*events, (self.samples, 0, 0)):
            until = min(at, self.samples)
            if until > done:
                sound = synth.get_samples(until - done).reshape(-1, 2).T
                track[:, done:until] = sound / np.float32(2**15)
                done = until
            if velocity:
                synth.noteon(channel, pitch, velocity)
            else:
                synth.noteoff(channel, pitch)
        return track


def _events(notes: Iterable[Note], sample_rate: int) -> list[tuple[int, int, int]]:
    """Sample, velocity (0 ends a note) and pitch, in order; ends come before starts."""
    events = []
    for note in notes:
        pitch, velocity = round(note.pitch), int(np.clip(round(127 * note.velocity), 1, 127))
        start = int(note.start * sample_rate)
        events.append((start, velocity, pitch))
        events.append((start + max(1, int(note.length * sample_rate)), 0, pitch))
    return sorted(events)
