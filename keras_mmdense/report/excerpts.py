"""A few seconds of some songs, separated, to be seen and heard in a report."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import soundfile

from keras_mmdense.evaluation.systems import Song
from keras_mmdense.separation.separator import Separator
from keras_mmdense.stems import STEMS, Stems
from keras_mmdense.utils.progress import Progress

# What MPEG audio layer III knows; other rates are encoded as FLAC, without loss.
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclasses.dataclass(frozen=True, eq=False)
class Excerpt:
    """Part of a song: the mixture, the true stems, and their estimates.

    Attributes:
        song: the song's name.
        start: where the excerpt begins, in seconds.
        sample_rate: in Hz.
        mixture: waveform `(samples, channels)`.
        references, estimates: stem -> waveform `(samples, channels)`, the same stems.
    """

    song: str
    start: float
    sample_rate: int
    mixture: np.ndarray
    references: Mapping[str, np.ndarray]
    estimates: Mapping[str, np.ndarray]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.mixture) / self.sample_rate

    @property
    def gain(self) -> float:
        """Factor of at most 1 that keeps every waveform of the excerpt within [-1, 1]."""
        parts = (self.mixture, *self.references.values(), *self.estimates.values())
        return 1 / max(1.0, *(float(np.abs(part).max()) for part in parts))


def take_excerpts(
    songs: Sequence[Song],
    separator: Separator,
    count: int = 3,
    seconds: float = 6.0,
    scored: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> list[Excerpt]:
    """Separates a few seconds of some songs.

    The songs are spread evenly from the worst to the best score, or over the list where there are
    no scores. An excerpt lies where the stems sound most together, and is separated with as much
    of its surroundings as the networks look at, so that it sounds as in the whole song.

    Args:
        songs: objects with `name`, `sample_rate` (Hz) and `stems()` -> stem -> `(samples,
            channels)`.
        separator: gives the estimates.
        count: how many songs, fewer if there are not so many.
        seconds: length of an excerpt; a shorter song is taken whole.
        scored: song -> score in dB.
        progress: called with (songs done, songs in all).

    Returns:
        The excerpts, from the worst song to the best.
    """
    chosen = _choose(songs, count, scored or {})
    excerpts = []
    for done, song in enumerate(chosen, 1):
        excerpts.append(_excerpt(song, separator, seconds))
        if progress:
            progress(done, len(chosen))
    return excerpts


def encode(waveform: np.ndarray, sample_rate: int) -> tuple[str, bytes]:
    """Encodes a waveform for a browser's player.

    Args:
        waveform: `(samples, channels)` in [-1, 1].
        sample_rate: in Hz.

    Returns:
        The media type and the file: MP3, or 16-bit FLAC where MP3 has no such rate or channels.
    """
    buffer = io.BytesIO()
    if sample_rate in MP3_RATES and waveform.shape[1] <= 2:
        soundfile.write(buffer, waveform, sample_rate, format="MP3")
        return "audio/mpeg", buffer.getvalue()
    soundfile.write(buffer, waveform, sample_rate, format="FLAC", subtype="PCM_16")
    return "audio/flac", buffer.getvalue()


def _choose(songs: Sequence[Song], count: int, scored: Mapping[str, float]) -> list[Song]:
    known = [song for song in songs if not math.isnan(scored.get(song.name, math.nan))]
    ranked = sorted(known, key=lambda song: scored[song.name]) or list(songs)
    places = np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int)
    return [ranked[place] for place in places]


def _excerpt(song: Song, separator: Separator, seconds: float) -> Excerpt:
    stems, sample_rate = song.stems(), song.sample_rate
    mixture = np.sum(list(stems.values()), axis=0)
    references = _references(stems, separator.stems)
    length = min(len(mixture), round(seconds * sample_rate))
    start = _loudest(list(references.values()), length, sample_rate)
    span = slice(start, start + length)
    # The networks' grid of frames begins at multiples of the context.
    context = separator.card.context * sample_rate // separator.card.sample_rate
    cut = max(0, start // context - 1) * context
    estimates = separator.separate(mixture[cut : start + length + context], sample_rate)
    return Excerpt(
        song.name,
        start / sample_rate,
        sample_rate,
        mixture[span],
        {stem: reference[span] for stem, reference in references.items()},
        {stem: estimates[stem][start - cut :][:length] for stem in references},
    )


def _references(stems: Stems, given: Sequence[str]) -> dict[str, np.ndarray]:
    """True stems by the names of the estimates; the rest is the sum of the stems not named."""
    others = [stems[stem] for stem in STEMS if stem not in given]
    return {stem: stems[stem] if stem in stems else np.sum(others, axis=0) for stem in given}


def _loudest(signals: Sequence[np.ndarray], length: int, sample_rate: int) -> int:
    """Start of the window in which the stems sound most together, to half a second."""
    step = max(1, sample_rate // 2)
    starts = range(0, len(signals[0]) - length + 1, step)
    levels = np.zeros(len(starts))
    for signal in signals:
        energy = np.concatenate([[0.0], np.cumsum(np.mean(np.square(signal, dtype=float), axis=1))])
        power = [(energy[start + length] - energy[start]) / length for start in starts]
        levels += np.log(np.array(power) + 1e-6)
    return starts[int(np.argmax(levels))]
