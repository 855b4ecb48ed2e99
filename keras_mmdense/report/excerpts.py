"""Excerpts of songs, separated, for spectrograms and players in a report."""

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

# Sample rates of MPEG audio layer III; other rates are encoded losslessly as FLAC.
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclasses.dataclass(frozen=True, eq=False)
class Excerpt:
    """Excerpt of a song: the mixture, the true stems, and their estimates.

    Attributes:
        song: Name of the song.
        start: Start of the excerpt in seconds.
        sample_rate: Sample rate in Hz.
        mixture: Waveform `(samples, channels)`.
        references, estimates: Stem -> waveform `(samples, channels)`, for the same stems.
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
    """Separate a few seconds of some songs.

    The songs are spread evenly from the worst to the best score, or over the list if there are no
    scores. An excerpt is the part where most stems sound together, and is separated with the
    context that the networks see, so that it sounds as in the whole song.

    Args:
        songs: Songs with true stems.
        separator: Estimates the stems.
        count: Maximum number of songs. Defaults to `3`.
        seconds: Maximum length of an excerpt. Defaults to `6`.
        scored: Song -> score in dB. Defaults to `None`.
        progress: Called with (songs done, total songs). Defaults to `None`.

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
    """Encode a waveform for the player of a browser.

    Args:
        waveform: `(samples, channels)` in [-1, 1].
        sample_rate: Sample rate in Hz.

    Returns:
        The media type and the file: MP3, or 16-bit FLAC if MP3 does not support the sample rate or
        the channels.
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
    # The networks' grid of frames starts at multiples of the reach.
    reach = separator.card.reach * sample_rate // separator.card.sample_rate
    cut = max(0, start // reach - 1) * reach
    estimates = separator.separate(mixture[cut : start + length + reach], sample_rate)
    return Excerpt(
        song.name,
        start / sample_rate,
        sample_rate,
        mixture[span],
        {stem: reference[span] for stem, reference in references.items()},
        {stem: estimates[stem][start - cut :][:length] for stem in references},
    )


def _references(stems: Stems, given: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the true stems by the estimates' names; the rest is the sum of all other stems."""
    others = [stems[stem] for stem in STEMS if stem not in given]
    return {stem: stems[stem] if stem in stems else np.sum(others, axis=0) for stem in given}


def _loudest(signals: Sequence[np.ndarray], length: int, sample_rate: int) -> int:
    """Return the start of the window in which most stems sound together, to half a second."""
    step = max(1, sample_rate // 2)
    starts = range(0, len(signals[0]) - length + 1, step)
    levels = np.zeros(len(starts))
    for signal in signals:
        energy = np.concatenate([[0.0], np.cumsum(np.mean(np.square(signal, dtype=float), axis=1))])
        power = [(energy[start + length] - energy[start]) / length for start in starts]
        levels += np.log(np.array(power) + 1e-6)
    return starts[int(np.argmax(levels))]
