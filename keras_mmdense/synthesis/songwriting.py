"""Write songs as notes: tempo, key, chords, sections and the four parts, all seeded."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keras_mmdense.stems import STEMS

BAR = 16

_MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
_PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 1, 4), (3, 0, 4, 5), (0, 2, 3, 3)),
    "minor": ((0, 5, 2, 6), (0, 3, 6, 2), (0, 6, 5, 6), (5, 6, 0, 0), (0, 3, 0, 4), (0, 2, 5, 3)),
    "dorian": ((0, 3, 0, 3), (0, 6, 3, 0), (0, 2, 3, 6), (0, 1, 2, 3)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 4, 6, 3), (0, 0, 6, 3)),
}
_ALL = frozenset(STEMS)
_SPARSE = {
    "intro": (
        _ALL - {"vocals"},
        _ALL - {"vocals", "bass"},
        _ALL - {"vocals", "drums"},
        frozenset({"other"}),
        frozenset({"drums", "bass"}),
        _ALL - {"drums"},
    ),
    "break": (
        _ALL - {"drums"},
        _ALL - {"bass"},
        _ALL - {"other"},
        _ALL - {"drums", "bass"},
        _ALL - {"bass", "other"},
    ),
    "solo": (_ALL - {"vocals"},),
    "outro": (_ALL - {"vocals"}, _ALL - {"vocals", "drums"}, _ALL - {"drums", "bass"}),
}
_ENERGY = {"intro": 0.6, "verse": 0.75, "chorus": 1.0, "break": 0.5, "solo": 0.9, "outro": 0.6}


@dataclass(frozen=True)
class Note:
    """One pitched note: seconds, MIDI pitch, velocity in 0..1, and whether it glides in."""

    start: float
    length: float
    pitch: float
    velocity: float
    slide: bool = False


@dataclass(frozen=True)
class Hit:
    """One drum stroke: seconds, the drum's name, velocity in 0..1."""

    start: float
    drum: str
    velocity: float


@dataclass(frozen=True)
class Section:
    """Bars of one kind, and the stems that play in them."""

    kind: str
    first_bar: int
    bars: int
    stems: frozenset[str]

    @property
    def energy(self) -> float:
        """Loudness and density of the section, 0..1."""
        return _ENERGY[self.kind]


@dataclass(frozen=True)
class Song:
    """Plan shared by all parts of a song. Time is in steps of sixteenths, 16 per bar."""

    tempo: float
    key: int
    mode: str
    swing: float
    swing_unit: int
    verse_chords: tuple[int, ...]
    chorus_chords: tuple[int, ...]
    chord_steps: int
    sevenths: bool
    sections: tuple[Section, ...]

    @property
    def step_seconds(self) -> float:
        """Seconds of one straight sixteenth."""
        return 15.0 / self.tempo

    @cached_property
    def section_of_bar(self) -> tuple[Section, ...]:
        """The section each bar belongs to."""
        return tuple(section for section in self.sections for _ in range(section.bars))

    def time(self, step: float) -> float:
        """Seconds at which a step falls, swing included."""
        half = self.swing_unit
        pairs, part = divmod(step, 2 * half)
        late = 1 + self.swing
        part = part * late if part < half else half * late + (part - half) * (2 - late)
        return (pairs * 2 * half + part) * self.step_seconds

    def pitch(self, degree: int, base: int) -> int:
        """MIDI pitch of a scale degree (0 is the tonic) counted from a base octave's C."""
        octave, index = divmod(degree, 7)
        return base + self.key + 12 * octave + _MODES[self.mode][index]

    def chord_degree(self, step: int) -> int:
        """Scale degree of the chord that sounds at a step."""
        section = self.section_of_bar[min(step // BAR, len(self.section_of_bar) - 1)]
        chords = self.chorus_chords if section.kind in ("chorus", "solo") else self.verse_chords
        return chords[(step - section.first_bar * BAR) // self.chord_steps % len(chords)]

    def chord(self, step: int, lowest: int) -> list[int]:
        """MIDI pitches of the chord at a step, in close position above `lowest`."""
        root = self.chord_degree(step)
        degrees = [root + offset for offset in ((0, 2, 4, 6) if self.sevenths else (0, 2, 4))]
        return sorted(lowest + (self.pitch(degree, 0) - lowest) % 12 for degree in degrees)


def plan_song(seed: int, seconds: float) -> Song:
    """Choose a song's tempo, key, chords, swing and sections.

    Args:
        seed: Seed; equal arguments produce equal songs.
        seconds: Length in seconds; the bars of the plan cover at least this much.

    Returns:
        The plan.
    """
    rng = np.random.default_rng([seed, 0])
    tempo = float(rng.integers(70, 161))
    mode = str(rng.choice(list(_MODES), p=(0.4, 0.35, 0.13, 0.12)))
    progressions = _PROGRESSIONS[mode]
    first, second = rng.choice(len(progressions), 2, replace=False)
    bars = max(1, int(np.ceil(seconds * tempo / 240.0)))
    return Song(
        tempo=tempo,
        key=int(rng.integers(12)),
        mode=mode,
        swing=float(rng.choice((0.0, 0.0, rng.uniform(0.1, 0.33)))),
        swing_unit=int(1 + (tempo > 110)),
        verse_chords=progressions[first],
        chorus_chords=progressions[second if rng.random() < 0.6 else first],
        chord_steps=int(rng.choice((BAR, BAR, BAR, BAR // 2))),
        sevenths=bool(rng.random() < 0.35),
        sections=_plan_sections(bars, seconds, rng),
    )


def _plan_sections(bars: int, seconds: float, rng: np.random.Generator) -> tuple[Section, ...]:
    size = next((s for s in (1, 2, 4) if bars <= 9 * s), 8)
    count = -(-bars // size)
    kinds = ["verse", "chorus"] * count
    kinds = kinds[:count] if rng.random() < 0.7 else kinds[1 : count + 1]
    if seconds >= 10:
        places = {"intro": 0, "break": int(rng.integers(1, max(2, count - 1))), "outro": count - 1}
        places["solo"] = int(rng.integers(1, max(2, count - 1)))
        chances = {"intro": 0.75, "break": 0.8, "solo": 0.4, "outro": 0.35}
        wanted = [kind for kind in rng.permutation(list(places)) if rng.random() < chances[kind]]
        for kind in wanted[: int(0.4 * count)]:
            kinds[places[kind]] = str(kind)
    sections = []
    for index, kind in enumerate(kinds):
        first = index * size
        choices = _SPARSE.get(kind, (_ALL,))
        stems = choices[rng.integers(len(choices))]
        sections.append(Section(kind, first, min(size, bars - first), stems))
    return tuple(sections)
