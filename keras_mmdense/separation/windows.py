"""Cutting a signal of any length, which arrives in blocks, into windows of equal size."""

from collections.abc import Iterator

import numpy as np


class WindowCutter:
    """Cuts overlapping windows whose cores join without cross-fades.

    Window i keeps samples [i * core, (i + 1) * core) and sees `context` more on either side, which
    are computed and discarded. Outside the signal it sees zeros.

    Args:
        core: Samples kept of each window.
        context: Samples of context on either side.
        shape: Shape of one sample, such as (channels,).
    """

    def __init__(self, core: int, context: int, shape: tuple[int, ...]):
        self.core, self.context = core, context
        self._blocks = [np.zeros((context, *shape), "float32")]
        self._buffered, self._received, self._kept = context, 0, 0

    def push(self, block: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Add the next samples.

        Args:
            block: (samples, *shape), any number of samples.

        Yields:
            Each complete window, (core + 2 * context, *shape), and the number of samples to keep
            of it, starting at `context`.
        """
        self._received += len(block)
        yield from self._take(block)

    def finish(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the windows at the end of the signal, as `push` does."""
        while self._kept < self._received:
            missing = self.core + 2 * self.context - self._buffered
            yield from self._take(np.zeros((missing, *self._blocks[0].shape[1:]), "float32"))

    def _take(self, block: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        self._blocks.append(block)
        self._buffered += len(block)
        size = self.core + 2 * self.context
        if self._buffered < size:
            return
        buffer = np.concatenate(self._blocks)
        start = 0
        while len(buffer) - start >= size:
            keep = min(self.core, self._received - self._kept)
            self._kept += keep
            yield buffer[start : start + size], keep
            start += self.core
        self._blocks = [buffer[start:]]
        self._buffered = len(buffer) - start
