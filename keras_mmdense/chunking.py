"""Cutting a long waveform into windows and joining what comes out of them."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows that overlap by their context and are joined without cross-fades.

    Window i keeps samples [i * core, (i + 1) * core) and sees `context` more on either side,
    which are computed and discarded. Outside the waveform it sees zeros.

    Args:
        core: Samples kept of every window.
        context: Samples of context on either side.
    """

    core: int
    context: int

    def count(self, samples: int) -> int:
        """Number of windows that cover so many samples."""
        return -(-samples // self.core)

    def cut(self, waveform: np.ndarray, index: int) -> np.ndarray:
        """Cuts window `index` of a waveform.

        Args:
            waveform: (samples, channels).
            index: Number of the window.

        Returns:
            (core + 2 * context, channels).
        """
        start = index * self.core - self.context
        stop = start + self.core + 2 * self.context
        window = waveform[max(0, start) : stop]
        before = max(0, -start)
        return np.pad(window, ((before, stop - start - before - len(window)), (0, 0)))

    def keep(self, stems: np.ndarray, out: np.ndarray, index: int) -> None:
        """Copies the core of window `index` to where it belongs.

        Args:
            stems: What came out of the window, (stems, core + 2 * context, channels).
            out: All stems, (stems, samples, channels); written to.
            index: Number of the window.
        """
        target = out[:, index * self.core : (index + 1) * self.core]
        target[:] = stems[:, self.context : self.context + target.shape[1]]
