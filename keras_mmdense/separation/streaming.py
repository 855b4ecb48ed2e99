"""Streaming of a signal through the separation graph, block by block, in bounded memory."""

import collections
import numbers
from collections.abc import Callable, Sequence

import numpy as np
import soxr

from keras_mmdense.errors import InputError
from keras_mmdense.separation.engines.engine import Run
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.windows import WindowCutter

MIN_RATE, MAX_RATE = 1000, 768_000
MAX_CHANNELS = 64
MAX_SAMPLES_A_SECOND = 1 << 22  # of all channels together


class Stream:
    """Separates a signal that arrives in blocks.

    Channels go through the graph in pairs: first and second, third and fourth, and so on; an odd
    last channel, or mono, is doubled to a pair and averaged back.

    Args:
        start: Begins a signal, see `Engine`; called once for every pair of channels.
        card: What the graph is.
        sample_rate: The signal's rate in Hz.
        channels: The signal's channels.

    Raises:
        InputError: If the rate or the number of channels is out of bounds.
    """

    def __init__(self, start: Callable[[], Run], card: ModelCard, sample_rate: int, channels: int):
        check_signal(sample_rate, channels)
        self._stems, self._width = len(card.stems), card.channels
        self._channels = channels
        self._groups = [
            list(range(first, min(first + self._width, channels)))
            for first in range(0, channels, self._width)
        ]
        self._runs = [start() for _ in self._groups]
        wide = len(self._groups) * self._width
        self._to_graph = _Resampler(sample_rate, card.sample_rate, wide)
        self._from_graph = _Resampler(card.sample_rate, sample_rate, self._stems * channels)
        self._empty = np.zeros((self._stems, 0, channels), "float32")
        self._cutter = WindowCutter(card.window, card.context, (wide,))
        self._mixture: collections.deque[np.ndarray] = collections.deque()
        self._received = self._given = 0
        self._delay = self._late = card.delay

    def push(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Process the next samples and return those that are ready.

        Args:
            block: (samples, channels), float32.

        Returns:
            The mixture, (ready, channels), and its stems, (stems, ready, channels).

        Raises:
            InputError: If a sample of the block or of the stems is not finite.
        """
        if block.ndim != 2 or block.shape[1] != self._channels:
            raise InputError(
                f"a block is (samples, {self._channels} channels), received shape {block.shape}"
            )
        if not np.isfinite(block).all():
            first = self._received + int(np.argmin(np.isfinite(block).all(axis=1)))
            raise InputError(f"sample {first} is not a finite number")
        self._received += len(block)
        self._mixture.append(block)
        windows = self._cutter.push(self._to_graph.push(self._widen(block)))
        return self._give([self._resample(self._separate(*window)) for window in windows])

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the remaining samples, as `push` does; in total as many as were pushed."""
        tail = self._to_graph.push(self._widen(np.zeros((0, self._channels), "float32")), last=True)
        late = np.zeros((self._delay, tail.shape[1]), "float32")
        windows = [*self._cutter.push(np.concatenate([tail, late])), *self._cutter.finish()]
        ready = [self._resample(self._separate(*window)) for window in windows]
        ready.append(self._resample(self._empty, last=True))
        missing = self._received - self._given - sum(part.shape[1] for part in ready)
        ready.append(np.zeros((self._stems, max(0, missing), self._channels), "float32"))
        return self._give(ready)

    def _widen(self, block: np.ndarray) -> np.ndarray:
        columns = [
            group[min(i, len(group) - 1)] for group in self._groups for i in range(self._width)
        ]
        return block[:, columns]

    def _separate(self, window: np.ndarray, keep: int) -> np.ndarray:
        """Stems of a window's core, (stems, keep, channels); one group at a time."""
        parts = []
        sounds = np.split(window, len(self._groups), axis=1)
        for group, run, sound in zip(self._groups, self._runs, sounds, strict=True):
            stems = np.asarray(run(sound[None]), "float32")
            fits = stems.ndim == 4 and stems.shape[2] >= keep
            if not fits or stems.shape[:2] + stems.shape[3:] != (1, self._stems, self._width):
                raise InputError(
                    f"the graph returned stems of shape {stems.shape}, expected (1, {self._stems}, "
                    f"{self._cutter.core}, {self._width})"
                )
            stems = stems[0, :, min(self._late, keep) : keep]
            if len(group) < self._width:
                stems = stems.mean(axis=-1, keepdims=True)
            parts.append(stems)
        self._late -= min(self._late, keep)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def _resample(self, stems: np.ndarray, last: bool = False) -> np.ndarray:
        """Stems at the signal's rate, (stems, samples, channels)."""
        if self._from_graph.passes:
            return stems
        flat = stems.transpose(1, 0, 2).reshape(stems.shape[1], self._from_graph.channels)
        flat = self._from_graph.push(flat, last)
        return flat.reshape(len(flat), self._stems, self._channels).transpose(1, 0, 2)

    def _give(self, parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        stems = np.concatenate([self._empty, *parts], axis=1)[:, : self._received - self._given]
        if not np.isfinite(stems).all():
            raise InputError("the network returned numbers that are not finite")
        self._given += stems.shape[1]
        return self._pop_mixture(stems.shape[1]), stems

    def _pop_mixture(self, samples: int) -> np.ndarray:
        taken = [np.zeros((0, self._channels), "float32")]
        while samples:
            block = self._mixture.popleft()
            if len(block) > samples:
                self._mixture.appendleft(block[samples:])
                block = block[:samples]
            taken.append(block)
            samples -= len(block)
        return np.concatenate(taken)


class _Resampler:
    """soxr on a signal in blocks; at equal rates the signal itself."""

    def __init__(self, sample_rate: int, new_rate: int, channels: int):
        self.channels = channels
        self._stream = None
        if sample_rate != new_rate:
            self._stream = soxr.ResampleStream(sample_rate, new_rate, channels, dtype="float32")

    @property
    def passes(self) -> bool:
        """Whether the rates are equal."""
        return self._stream is None

    def push(self, block: np.ndarray, last: bool = False) -> np.ndarray:
        block = np.ascontiguousarray(block, "float32")
        return block if self._stream is None else self._stream.resample_chunk(block, last=last)


def check_signal(sample_rate: float, channels: int) -> None:
    """Raise InputError if a signal's rate in Hz or number of channels is out of bounds."""
    if not isinstance(sample_rate, numbers.Real) or not MIN_RATE <= sample_rate <= MAX_RATE:
        raise InputError(
            f"the sample rate must lie between {MIN_RATE} and {MAX_RATE} Hz, received {sample_rate}"
        )
    if not 1 <= channels <= MAX_CHANNELS or channels * sample_rate > MAX_SAMPLES_A_SECOND:
        raise InputError(
            f"expected from 1 to {min(MAX_CHANNELS, int(MAX_SAMPLES_A_SECOND // sample_rate))} "
            f"channels at {sample_rate} Hz, received {channels}"
        )


def as_floats(waveform: np.ndarray) -> np.ndarray:
    """Convert samples to float32 in [-1, 1]; integers are scaled from their full range.

    Args:
        waveform: Samples as float of any width, int16 or int32.

    Raises:
        InputError: If the samples are of another type.
    """
    waveform = np.asarray(waveform)
    if waveform.dtype in (np.int16, np.int32):
        return waveform.astype("float32") / np.float32(-np.iinfo(waveform.dtype).min)
    if waveform.dtype.kind != "f":
        raise InputError(f"samples must be float, int16 or int32, received {waveform.dtype}")
    with np.errstate(over="ignore"):
        return waveform.astype("float32")


def split(waveform: np.ndarray, size: int) -> Sequence[np.ndarray]:
    """Split (samples, channels) into blocks of `size` samples; the last one may be shorter."""
    return [waveform[start : start + size] for start in range(0, len(waveform), size)]
