"""Songs decoded once into memory-mapped files: hours of music train without living in RAM."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_mmdense.data.songs import Song
from keras_mmdense.errors import InputError
from keras_mmdense.files import replacing
from keras_mmdense.stems import STEMS


class CachedSong:
    """The stems of one song, memory-mapped.

    Args:
        name: Name of the song.
        audio: (stems, samples, channels), float16, in the order of `STEMS`.
    """

    def __init__(self, name: str, audio: np.ndarray):
        self.name, self.audio = name, audio

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.audio.shape[1]

    def chunk(self, stem: int, start: int, samples: int) -> np.ndarray:
        """Reads samples of one stem as float32 (samples, channels), zeros past the song's end."""
        chunk = self.audio[stem, start : start + samples].astype("float32")
        return np.pad(chunk, ((0, samples - len(chunk)), (0, 0)))


def cache_songs(
    songs: list[Song],
    folder: str | Path,
    sample_rate: int,
    channels: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[CachedSong]:
    """Decodes songs into a folder, or opens what was decoded there before.

    Samples are kept as float16, whose rounding lies about 70 dB below the signal.

    Args:
        songs: Songs to decode.
        folder: Folder of one data set's cache; made if it is missing.
        sample_rate: Rate in Hz that every song must have.
        channels: Channels that every song must have.
        progress: Called with (songs done, songs in all).

    Returns:
        The songs, in order.

    Raises:
        InputError: If a song has another rate or number of channels, or stems of unequal length.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cached = []
    for done, song in enumerate(songs, 1):
        if song.sample_rate != sample_rate:
            raise InputError(f"{song.name}: {song.sample_rate} Hz, expected {sample_rate} Hz")
        path = folder / f"{song.name}.npy"
        if not path.exists():
            _decode(song, path, channels)
        cached.append(CachedSong(song.name, np.load(path, mmap_mode="r")))
        if progress:
            progress(done, len(songs))
    return cached


def _decode(song: Song, path: Path, channels: int) -> None:
    stems = song.stems()
    for stem, audio in stems.items():
        if audio.shape != (len(stems[STEMS[0]]), channels):
            raise InputError(
                f"{song.name}: {stem} has shape {audio.shape} (samples, channels), expected "
                f"{(len(stems[STEMS[0]]), channels)}"
            )
    with replacing(path) as partial:
        np.save(partial, np.stack([stems[stem] for stem in STEMS]).astype("float16"))
