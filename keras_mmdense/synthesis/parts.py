"""The four parts of a song as notes and hits: pure music, no audio."""

import numpy as np

from keras_mmdense.synthesis.songwriting import BAR, Hit, Note, Section, Song


def _bars_of(song: Song, stem: str) -> list[tuple[int, Section]]:
    pairs = enumerate(song.section_of_bar)
    return [(bar, section) for bar, section in pairs if stem in section.stems]


_BASS_RHYTHMS = (
    ((0, 16),),
    ((0, 8), (8, 8)),
    ((0, 4), (4, 4), (8, 4), (12, 4)),
    tuple((step, 2) for step in range(0, 16, 2)),
    ((0, 3), (3, 3), (6, 4), (10, 2), (12, 4)),
    ((0, 6), (6, 2), (8, 6), (14, 2)),
    ((0, 2), (3, 1), (6, 2), (8, 2), (11, 1), (14, 2)),
    ((0, 3), (6, 2), (10, 2), (12, 3)),
    tuple((step, 2) for step in range(2, 16, 4)),
    tuple((step, 1) for step in range(16)),
)


def write_bass(song: Song, rng: np.random.Generator) -> list[Note]:
    """Write a bass line that follows the chord roots.

    Args:
        song: The plan.
        rng: Source of all choices.

    Returns:
        Notes in order, one at a time.
    """
    rhythms = [_BASS_RHYTHMS[index] for index in rng.choice(len(_BASS_RHYTHMS), 2, replace=False)]
    moves = [rng.choice((0, 0, 0, 7, 4, 2), 16), rng.choice((0, 0, 7, 0, 4), 16)]
    gate = rng.uniform(0.6, 1.0)
    slides, passing = rng.uniform(0.0, 0.3), rng.uniform(0.2, 0.7)
    lowest = int(rng.integers(28, 34))
    notes = []
    for bar, section in _bars_of(song, "bass"):
        part = int(section.kind in ("chorus", "solo"))
        for index, (offset, length) in enumerate(rhythms[part]):
            step = bar * BAR + offset
            degree = song.chord_degree(step)
            extra = int(moves[part][index]) if index else 0
            if offset + length >= BAR and index and rng.random() < passing:
                following = song.chord_degree(step + length)
                extra = following - degree + int(rng.choice((-1, 1)))
            root = lowest + (song.pitch(degree, 0) - lowest) % 12
            pitch = root + song.pitch(degree + extra, 0) - song.pitch(degree, 0)
            pitch += 12 * (pitch < lowest - 2) - 12 * (pitch > lowest + 17)
            start = song.time(step)
            duration = gate * (song.time(step + length) - start)
            velocity = rng.uniform(0.75, 1.0) * (1.0 if offset % 4 == 0 else 0.85)
            slide = bool(rng.random() < slides)
            notes.append(Note(start, duration, pitch, velocity, slide))
    return notes


_KICKS = (
    (0, 4, 8, 12),
    (0, 8),
    (0, 6, 8),
    (0, 8, 10),
    (0, 3, 10),
    (0, 7, 10),
    (0, 2, 8, 11),
    (0, 10, 14),
)
_SNARES = ((4, 12), (4, 12), (4, 12), (8,), (4, 12, 15), (4, 11))
_HATS = (tuple(range(0, 16, 2)), tuple(range(16)), (2, 6, 10, 14), tuple(range(0, 16, 4)))


def write_drums(song: Song, rng: np.random.Generator) -> list[Hit]:
    """Write the drum part: a groove for verses, one for choruses, fills and crashes.

    Args:
        song: The plan.
        rng: Source of all choices.

    Returns:
        Strokes, not sorted by time.
    """
    grooves = [_groove(rng, song.tempo), _groove(rng, song.tempo)]
    fills = rng.uniform(0.4, 1.0)
    hits: list[Hit] = []
    for bar, section in _bars_of(song, "drums"):
        groove = grooves[int(section.kind in ("chorus", "solo"))]
        last = bar == section.first_bar + section.bars - 1
        fill_at = int(rng.choice((8, 12, 12, 14))) if last and rng.random() < fills else BAR
        strokes = [stroke for stroke in groove if stroke[0] < fill_at]
        strokes += _fill(fill_at, rng)
        if bar == section.first_bar and section.energy > 0.7:
            strokes.append((0, "crash", 0.9))
        level = 0.7 + 0.3 * section.energy
        for offset, drum, velocity in strokes:
            played = velocity * level * rng.uniform(0.88, 1.0)
            late = rng.normal(0.0, 0.002) if offset else 0.0
            hits.append(Hit(max(0.0, song.time(bar * BAR + offset) + late), drum, played))
    return hits


def _groove(rng: np.random.Generator, tempo: float) -> list[tuple[int, str, float]]:
    snare = str(rng.choice(("snare", "snare", "snare", "clap", "rim")))
    top = str(rng.choice(("hat", "hat", "hat", "ride", "shaker")))
    hats = _HATS[
        rng.choice(4, p=(0.45, 0.3 if tempo < 125 else 0.1, 0.15, 0.1 if tempo < 125 else 0.3))
    ]
    strokes = [(step, "kick", 1.0) for step in _KICKS[rng.integers(len(_KICKS))]]
    strokes += [(step, snare, 0.9) for step in _SNARES[rng.integers(len(_SNARES))]]
    strokes += [(step, top, 0.75 if step % 4 == 0 else 0.5) for step in hats]
    if rng.random() < 0.4:
        strokes += [(step, "open_hat", 0.6) for step in rng.choice((2, 6, 10, 14), 1)]
    if snare == "snare" and rng.random() < 0.5:
        strokes += [(step, "snare", 0.22) for step in rng.choice((1, 7, 9, 10, 15), 2, False)]
    if snare != "clap" and rng.random() < 0.25:
        strokes += [(step, "clap", 0.6) for step in (4, 12)]
    if rng.random() < 0.25:
        strokes += [(step, "shaker", 0.5) for step in range(0, 16, 2)]
    return [(int(step), drum, velocity) for step, drum, velocity in strokes]


def _fill(first: int, rng: np.random.Generator) -> list[tuple[int, str, float]]:
    drums = ("snare", "snare", "high_tom", "high_tom", "mid_tom", "mid_tom", "low_tom", "low_tom")
    steps = [step for step in range(first, BAR) if rng.random() < 0.8]
    rolls = rng.random() < 0.35
    return [
        (
            step,
            "snare" if rolls else drums[(step - first) * 8 // (BAR - first)],
            rng.uniform(0.6, 1),
        )
        for step in steps
    ]


def write_chords(song: Song, rng: np.random.Generator, figure: str) -> list[Note]:
    """Write a chord part.

    Args:
        song: The plan.
        rng: Source of all choices.
        figure: "held" (one chord a change), "comp" (a rhythm), "strum" (a rhythm, strings
            spread in time) or "arpeggio" (one note at a time).

    Returns:
        Notes in order of their bars.
    """
    lowest = int(rng.integers(45, 60))
    deep = figure in ("held", "comp") and rng.random() < 0.6
    pool = (0, 2, 3, 4, 6, 8, 10, 11, 12, 14)
    rhythm = sorted({0, *rng.choice(pool, int(rng.integers(2, 7)), replace=False).tolist()})
    if figure == "held":
        rhythm = list(range(0, BAR, song.chord_steps))
    if figure == "arpeggio":
        rhythm = list(range(0, BAR, int(rng.choice((1, 2, 2)))))
    order = rng.permutation(8)
    spread = rng.uniform(0.008, 0.022) if figure == "strum" else 0.0
    notes = []
    for bar, section in _bars_of(song, "other"):
        for index, offset in enumerate(rhythm):
            step = bar * BAR + offset
            until = rhythm[index + 1] if index + 1 < len(rhythm) else BAR
            start = song.time(step)
            length = (song.time(bar * BAR + until) - start) * (0.98 if figure != "comp" else 0.8)
            pitches = song.chord(step, lowest)
            if figure == "arpeggio":
                ladder = pitches + [pitch + 12 for pitch in pitches]
                pitches = [ladder[order[index % 8] % len(ladder)]]
            if figure == "strum":
                pitches = [pitches[0] - 12, *pitches, pitches[0] + 12]
                pitches = pitches if index % 2 == 0 else pitches[::-1]
            if deep:
                pitches = [pitches[0] - 12, *pitches]
            velocity = (0.6 + 0.4 * section.energy) * (1.0 if offset % 8 == 0 else 0.75)
            for string, pitch in enumerate(pitches):
                played = velocity * rng.uniform(0.85, 1.0)
                notes.append(Note(start + spread * string, length, pitch, played))
    return notes


def write_melody(
    song: Song, rng: np.random.Generator, stem: str, center: int, kinds: tuple[str, ...] = ()
) -> list[list[Note]]:
    """Write phrases in the song's scale that lean on the chords.

    Args:
        song: The plan.
        rng: Source of all choices.
        stem: Sections in which this stem plays get phrases.
        center: MIDI pitch around which the melody moves.
        kinds: Section kinds to keep to; empty for all.

    Returns:
        Phrases, each a list of notes in order.
    """
    length = 2 * BAR if song.tempo > 105 else BAR
    motifs = [_motif(length, rng, song.tempo) for _ in range(3)]
    base = 12 * ((center - song.key) // 12)
    home = 7 * (center - song.key - base) // 12
    phrases = []
    for section in song.sections:
        if stem not in section.stems or (kinds and section.kind not in kinds):
            continue
        chorus = section.kind in ("chorus", "solo")
        last = (section.first_bar + section.bars) * BAR
        for count, first in enumerate(range(section.first_bar * BAR, last, length)):
            motif = motifs[2] if chorus else motifs[count % 2]
            fitting = [event for event in motif if first + event[0] + event[1] <= last]
            height = home + (2 if chorus else 0)
            phrases.append(_sing_motif(song, fitting, first, height, base, rng))
    return [phrase for phrase in phrases if phrase]


def _motif(length: int, rng: np.random.Generator, tempo: float) -> list[tuple[int, int, int]]:
    durations = (2, 2, 3, 4, 4, 6, 8) if tempo > 105 else (1, 2, 2, 2, 3, 4, 4, 6)
    position = int(rng.choice((0, 0, 0, 1, 2)))
    end = length - int(rng.choice((1, 2, 3, 4)))
    events, height = [], 0
    while position < end:
        duration = min(int(rng.choice(durations)), end - position)
        height += int(rng.choice((-3, -2, -1, -1, 0, 0, 1, 1, 2, 4)))
        height = int(np.clip(height, -4, 6))
        events.append((position, duration, height))
        position += duration + int(rng.random() < 0.1)
    if len(events) > 1 and events[-1][1] < 3:
        position, _, height = events.pop(-2)
        events[-1] = (position, end - position, height)
    return events


def _sing_motif(
    song: Song,
    motif: list[tuple[int, int, int]],
    first: int,
    home: int,
    base: int,
    rng: np.random.Generator,
) -> list[Note]:
    notes = []
    for offset, duration, height in motif:
        step = first + offset
        degree = home + height + int(rng.choice((0, 0, 0, 0, 0, 1, -1)))
        if offset % 4 == 0 or duration >= 4:
            root = song.chord_degree(step)
            degree += min(((root + tone - degree + 3) % 7 - 3 for tone in (0, 2, 4)), key=abs)
        start = song.time(step)
        length = song.time(step + duration) - start
        velocity = rng.uniform(0.75, 1.0)
        notes.append(Note(start, length, song.pitch(degree, base), velocity))
    return notes
