"""The paper's augmentation, a function a step; each takes its own random generator."""

import numpy as np

AUGMENTATIONS = ("chunks", "swap", "gain", "remix")
GAIN = (0.25, 1.25)


def draw_songs(share: np.ndarray, stems: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a song for every stem, so that a mixture's sources come from different songs.

    Args:
        share: Probability of every song, (songs,).
        stems: Number of stems.
        rng: Random generator.

    Returns:
        Indices of songs, (stems,), each drawn by itself.
    """
    return rng.choice(len(share), stems, p=share)


def draw_start(length: int, samples: int, rng: np.random.Generator) -> int:
    """Draws where a chunk of a song starts.

    Args:
        length: Length of the song in samples.
        samples: Length of the chunk in samples.
        rng: Random generator.

    Returns:
        The first sample; the chunk ends inside the song, unless the song is shorter than it.
    """
    return int(rng.integers(max(1, length - samples + 1)))


def swap_channels(chunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Swaps left and right with probability one half; (samples, channels) in and out."""
    return chunk[:, ::-1] if rng.random() < 0.5 else chunk


def scale(chunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiplies by a gain drawn uniformly from `GAIN`; (samples, channels) in and out."""
    return chunk * np.float32(rng.uniform(*GAIN))
