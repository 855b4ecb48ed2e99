"""Synthesize multitrack songs: audio for demos and training that is free of rights."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from scipy import signal

from keras_mmdense.audio.writing import write_whole
from keras_mmdense.stems import STEMS
from keras_mmdense.synthesis.instruments import play_bass, play_drums
from keras_mmdense.synthesis.keys import play_other
from keras_mmdense.synthesis.parts import write_bass, write_drums, write_melody
from keras_mmdense.synthesis.signals import band, echo, room
from keras_mmdense.synthesis.singing import play_vocals
from keras_mmdense.synthesis.songwriting import Song, plan_song
from keras_mmdense.synthesis.soundfont import play_song
from keras_mmdense.utils.progress import Progress

__all__ = ["synthesize", "write_songs"]

# Center and deviation in decibels.
_LEVELS = {"vocals": (0.0, 3.5), "drums": (-1.5, 5.0), "bass": (-1.5, 5.0), "other": (-1.5, 4.0)}
_REVERB = {"vocals": (0.03, 0.35), "drums": (0.03, 0.3), "bass": (0.0, 0.0), "other": (0.0, 0.3)}
_ADJECTIVES = """
    amber bitter bright broken calm copper crooked distant early electric empty fading feral
    gentle golden hollow hidden idle iron late little lonely lunar mellow midnight misty narrow
    neon open pale patient plastic quiet restless rusty salty second secret silver slow soft
    solar stolen sudden tender tidal velvet violet wandering warm wild winter
"""
_NOUNS = """
    arcade autumn avenue beacon bridge canyon carousel cinder city corridor current daylight
    delta desert ember engine feather ferry field fire garden glacier harbour highway horizon
    island kite lantern letter lighthouse machine meadow mirror mountain ocean orchard paper
    parade pilot planet rain river satellite shadow signal skyline station storm summer tower
    train valley window
"""


def synthesize(
    seed: int, seconds: float, sample_rate: int = 44100, soundfont: str | Path | None = None
) -> dict[str, np.ndarray]:
    """Synthesize the stems of one song.

    Args:
        seed: Seed of all random numbers; equal arguments produce equal bytes.
        seconds: Length in seconds, above 0.
        sample_rate: Sample rate in Hz, at least 8000. Defaults to `44100`.
        soundfont: SoundFont (.sf2 or .sf3) whose recorded sounds play drums, bass and other. It
            has no singers: there are no vocals then. Defaults to `None`, synthesized sounds.

    Returns:
        "vocals", "drums", "bass" and "other", each float32 `(samples, 2)` with
        `round(seconds * sample_rate)` samples in [-1, 1], as is their sum, the mixture.

    Raises:
        InputError: If the SoundFont cannot be loaded or lacks programs of General MIDI.
        ValueError: If `seconds` is shorter than a sample, or `sample_rate` is below 8000.
    """
    if sample_rate < 8000:
        raise ValueError(f"sample_rate must be at least 8000, received {sample_rate!r}")
    if not 0 < seconds < float("inf") or round(seconds * sample_rate) < 1:
        raise ValueError(f"seconds must be above 0 and last a sample or more, received {seconds!r}")
    samples = round(seconds * sample_rate)
    played = max(samples, 2 * sample_rate)
    song = plan_song(seed, max(seconds, 2.0))
    tracks = _play(song, seed, played, sample_rate, soundfont)
    return _mix(tracks, song, seed, samples, sample_rate)


def _play(
    song: Song, seed: int, samples: int, sample_rate: int, soundfont: str | Path | None
) -> dict[str, np.ndarray]:
    """Play dry tracks `(2, samples)`, each stem with its own random generator."""
    rngs = {stem: np.random.default_rng([seed, 1 + index]) for index, stem in enumerate(STEMS)}
    if soundfont is not None:
        return play_song(song, Path(soundfont), samples, sample_rate, rngs)
    center = int(rngs["vocals"].choice((48, 52, 55, 60, 63, 66)))
    phrases = write_melody(song, rngs["vocals"], "vocals", center)
    hits = write_drums(song, rngs["drums"])
    notes = write_bass(song, rngs["bass"])
    return {
        "vocals": play_vocals(phrases, samples, sample_rate, rngs["vocals"]),
        "drums": play_drums(hits, samples, sample_rate, rngs["drums"]),
        "bass": play_bass(notes, samples, sample_rate, rngs["bass"]),
        "other": play_other(song, samples, sample_rate, rngs["other"]),
    }


def _mix(
    tracks: dict[str, np.ndarray], song: Song, seed: int, samples: int, sample_rate: int
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, 9])
    decay = rng.uniform(0.3, 1.6)
    stems = {}
    for stem, track in tracks.items():
        if stem == "vocals" and rng.random() < 0.35:
            repeats = echo(track, 3 * song.step_seconds, 0.4, sample_rate) - track
            track = track + rng.uniform(0.2, 0.5) * repeats
        amount = rng.uniform(*_REVERB[stem])
        if amount:
            track = track + amount * room(track, decay, sample_rate, rng)
        middle, reach = _LEVELS[stem]
        level = middle + rng.uniform(-reach, reach)
        stems[stem] = _finish(track[:, :samples], level, sample_rate)
    peak = max(np.abs(track).max() for track in (sum(stems.values()), *stems.values()))
    gain = np.float32(rng.uniform(0.6, 0.89) / max(peak, 1e-9))
    return {stem: np.ascontiguousarray((gain * track).T) for stem, track in stems.items()}


def _finish(track: np.ndarray, decibels: float, sample_rate: int) -> np.ndarray:
    """Remove the offset, fade both ends, and set the level of the sounding parts."""
    track = signal.sosfilt(band(25, 0, sample_rate), track, axis=1).astype(np.float32)
    fade = min(track.shape[1], int(0.01 * sample_rate) + 1)
    ramp = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
    track[:, :fade] *= ramp
    track[:, -fade:] *= ramp[::-1]
    power = (track**2).mean(axis=0)
    sounding = power > 1e-4 * (power.max() + 1e-20)
    loudness = np.sqrt(power[sounding].mean()) if sounding.any() else 0.0
    return track * np.float32(10 ** (decibels / 20) / (loudness + 1e-6))


def write_songs(
    root: str | Path,
    tracks: int,
    seconds: float,
    seed: int,
    *,
    subset: str = "train",
    sample_rate: int = 44100,
    soundfont: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write songs as folders of WAV files, laid out like MUSDB18-HQ.

    Each song is a folder `root/subset/name` with mixture, vocals, drums, bass and other (16-bit
    PCM), which is written atomically.

    Args:
        root: Folder of the data set; created if it is missing.
        tracks: Number of songs, at least 1.
        seconds: Length of each in seconds, above 0.
        seed: Seed of the data set; song i depends only on `(seed, i)`.
        subset: Folder inside `root`. Defaults to `"train"`.
        sample_rate: Sample rate in Hz. Defaults to `44100`.
        soundfont: See `synthesize`. Defaults to `None`.
        progress: Called with (songs done, total songs). Defaults to `None`.

    Returns:
        The songs' folders, in order.

    Raises:
        ValueError: If `tracks` is below 1, or `seconds` is not above 0.
        FileExistsError: If a folder with a song's name exists; it is not changed.
        InputError: See `synthesize`.
    """
    if tracks < 1:
        raise ValueError(f"tracks must be at least 1, received {tracks!r}")
    if not seconds > 0:
        raise ValueError(f"seconds must be above 0, received {seconds!r}")
    home = Path(root) / subset
    folders = []
    for index in range(tracks):
        name_seed, song_seed = np.random.SeedSequence((seed, index)).generate_state(2)
        folder = home / _song_name(index, int(name_seed))
        _write_song(folder, int(song_seed), seconds, sample_rate, soundfont)
        folders.append(folder)
        if progress is not None:
            progress(index + 1, tracks)
    return folders


def _song_name(index: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    words = f"{rng.choice(_ADJECTIVES.split())} {rng.choice(_NOUNS.split())}"
    return f"Synth {index:04d} - {words.title()}"


def _write_song(
    folder: Path, seed: int, seconds: float, sample_rate: int, soundfont: str | Path | None
) -> None:
    if folder.exists():
        raise FileExistsError(f"song folder exists already: {folder}")
    stems = synthesize(seed, seconds, sample_rate, soundfont)
    files = {stem: np.round(sound * 32767).astype(np.int16) for stem, sound in stems.items()}
    files["mixture"] = np.sum(list(files.values()), axis=0, dtype=np.int16)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        for name, sound in files.items():
            write_whole(draft / f"{name}.wav", sound, sample_rate, "PCM_16")
        draft.chmod(0o755)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
