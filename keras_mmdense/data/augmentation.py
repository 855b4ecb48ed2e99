"""The paper's augmentation, a function a step; each takes its own random generator."""

import numpy as np

GAIN = (0.25, 1.25)


def swap_channels(chunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Swaps left and right with probability one half; (samples, channels) in and out."""
    return chunk[:, ::-1] if rng.random() < 0.5 else chunk


def scale(chunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiplies by a gain drawn uniformly from `GAIN`; (samples, channels) in and out."""
    return chunk * np.float32(rng.uniform(*GAIN))
