"""Augmentation, one function for each step, each with its own random generator.

The paper's steps are `augmentation_names.PAPER`; the others help if music is scarce.
"""

import numpy as np

GAIN = (0.25, 1.25)
QUIET = 1e-3  # RMS of a chunk, -60 dB of full scale.
QUIET_SHARE = 0.1
SEMITONES = 2.5
DOUBLE_SHARE = 0.15
EQ_SHARE = 0.3
EQ_DECIBELS = 5.0
EQ_NODES = 6
LEVEL_DECIBELS = (-6.0, 12.0)


def draw_songs(share: np.ndarray, stems: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a song for each stem, so that the sources of a mixture come from different songs.

    Args:
        share: Probability of each song, (songs,).
        stems: Number of stems.
        rng: Random generator.

    Returns:
        Indices of songs, (stems,), drawn independently.
    """
    return rng.choice(len(share), stems, p=share)


def draw_start(length: int, samples: int, rng: np.random.Generator) -> int:
    """Draw the start of a chunk of a song.

    Args:
        length: Length of the song in samples.
        samples: Length of the chunk in samples.
        rng: Random generator.

    Returns:
        The first sample; the chunk ends inside the song, unless the song is shorter than it.
    """
    return int(rng.integers(max(1, length - samples + 1)))


def swap_channels(chunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Swap left and right with probability one half; (samples, channels) in and out."""
    return chunk[:, ::-1] if rng.random() < 0.5 else chunk


def scale(chunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiply by a gain drawn uniformly from `GAIN`; (samples, channels) in and out."""
    return chunk * np.float32(rng.uniform(*GAIN))


def draw_active(rng: np.random.Generator) -> bool:
    """Decide whether a chunk must be active, with probability nine tenths."""
    return rng.random() >= QUIET_SHARE


def is_active(chunk: np.ndarray) -> bool:
    """Return whether the RMS of a chunk, (samples, channels), is above -60 dB of full scale."""
    return float(np.sqrt(np.mean(np.square(chunk)))) > QUIET


def draw_speed(rng: np.random.Generator) -> float:
    """Draw the playback speed of a chunk: half of them change by up to `SEMITONES`.

    Pitch and tempo change together, as on a tape.
    """
    semitones = rng.uniform(-SEMITONES, SEMITONES)
    return 2.0 ** (semitones / 12) if rng.random() < 0.5 else 1.0


def change_speed(chunk: np.ndarray, samples: int) -> np.ndarray:
    """Resample a chunk to a number of samples; (any, channels) to (samples, channels)."""
    import soxr

    if len(chunk) == samples:
        return chunk
    changed = soxr.resample(chunk, len(chunk), samples)[:samples]
    return np.pad(changed, ((0, samples - len(changed)), (0, 0)))


def draw_double(rng: np.random.Generator) -> bool:
    """Decide whether a second clip of the same stem is added (CatNet, arXiv 2102.09966)."""
    return rng.random() < DOUBLE_SHARE


def flip_polarity(chunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change the sign with probability one half; (samples, channels) in and out."""
    return -chunk if rng.random() < 0.5 else chunk


def equalize(chunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a smooth random gain over frequency to some chunks, without a change of phase.

    Args:
        chunk: Samples, (samples, channels).
        rng: Random generator.

    Returns:
        With probability `EQ_SHARE` the filtered chunk, whose gain is drawn from a normal
        distribution of `EQ_DECIBELS` at `EQ_NODES` frequencies, otherwise the chunk.
    """
    decibels = rng.normal(0, EQ_DECIBELS, EQ_NODES)
    if rng.random() >= EQ_SHARE:
        return chunk
    frequencies = np.log(np.arange(1, len(chunk) // 2 + 2))
    nodes = np.linspace(frequencies[-1] / 2, frequencies[-1], EQ_NODES)
    gain = 10 ** (np.interp(frequencies, nodes, decibels) / 20)
    spectrum = np.fft.rfft(chunk, axis=0) * gain[:, None]
    return np.fft.irfft(spectrum, len(chunk), axis=0).astype("float32")


def draw_level(rng: np.random.Generator) -> np.float32:
    """Draw a gain for all stems of a mixture, uniform in decibels within `LEVEL_DECIBELS`.

    `scale` makes mixtures quieter than songs are; this covers songs before and after mastering.
    """
    return np.float32(10 ** (rng.uniform(*LEVEL_DECIBELS) / 20))
