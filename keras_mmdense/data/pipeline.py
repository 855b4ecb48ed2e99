"""Batches of waveforms for `fit`, the same on every backend."""

import concurrent.futures
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_mmdense.data.augmentation import (
    change_speed,
    draw_active,
    draw_double,
    draw_level,
    draw_songs,
    draw_speed,
    draw_start,
    equalize,
    flip_polarity,
    is_active,
    scale,
    swap_channels,
)
from keras_mmdense.data.augmentation_names import PAPER
from keras_mmdense.data.cache import CachedSong
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

if TYPE_CHECKING:
    import tensorflow as tf

WORKERS = 2
AHEAD = 2
TRIES = 8
# The number of a step seeds its random generator: append, never reorder.
RANDOM_STEPS = (
    "places",
    "swap",
    "gain",
    "active",
    "resample",
    "double",
    "polarity",
    "eq",
    "level",
)
Generators = dict[str, np.random.Generator]
Batch = tuple[np.ndarray, ...]


class RemixedChunks:
    """An infinite sequence of training examples: augmented mixtures of songs' stems.

    Songs are drawn by their weight, for each stem among those that have it. Example n depends only
    on (seed, n), and each step of the augmentation has its own random numbers: leaving one out does
    not change the others.

    Args:
        songs: Songs to draw from.
        targets: Stems that the network learns.
        samples: Length of a chunk in samples.
        seed: Seed of all random numbers.
        augment: Steps to apply. "remix": each stem of a mixture is from another song and position,
            otherwise all are from the same; "chunks": a chunk starts anywhere, otherwise at a
            multiple of its length; "active": most chunks are not silent; "double": some stems are
            the sum of two clips; "level": the whole mixture has a random gain. For the others see
            `augmentation`.

    An example is (mixture, targets): (samples, channels) and (len(targets), samples, channels),
    float32.

    Raises:
        InputError: If no song has one of the stems, or "remix" is not applied and a song lacks a
            stem.
    """

    def __init__(
        self,
        songs: Sequence[CachedSong],
        targets: Sequence[str],
        samples: int,
        seed: int,
        augment: Collection[str] = PAPER,
    ):
        self.songs, self.samples, self.seed, self.augment = songs, samples, seed, augment
        self.targets = [STEMS.index(target) for target in targets]
        shares = [[float(song.weight * known) for known in song.known] for song in songs]
        self.shares = np.array(shares).T
        for stem, share in zip(STEMS, self.shares, strict=True):
            if not share.any():
                raise InputError(f"no song has the stem {stem}")
        if "remix" not in augment and not self.shares.all():
            raise InputError("songs that lack a stem can be trained on with remix only")
        self.shares /= self.shares.sum(axis=1, keepdims=True)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        rngs = {
            name: np.random.default_rng((self.seed, number, step))
            for step, name in enumerate(RANDOM_STEPS)
        }
        chunks = self._remixed(rngs) if "remix" in self.augment else self._together(rngs)
        stems = np.stack([self._augmented(chunk, rngs) for chunk in chunks])
        if "level" in self.augment:
            stems *= draw_level(rngs["level"])
        return stems.sum(axis=0), stems[self.targets]

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of an example's mixture and targets."""
        mixture = (self.samples, self.songs[0].audio.shape[2])
        return mixture, (len(self.targets), *mixture)

    def _together(self, rngs: Generators) -> list[np.ndarray]:
        """Return chunks of all stems from the same position of a song, at the same speed."""
        song = self._song(0, rngs["places"])
        samples = self._read_samples(rngs)
        start = self._start(song.samples, samples, rngs["places"])
        chunks = [song.chunk(stem, start, samples) for stem in range(len(STEMS))]
        return [change_speed(chunk, self.samples) for chunk in chunks]

    def _remixed(self, rngs: Generators) -> list[np.ndarray]:
        """Return chunks of all stems, each from another song and position."""
        first = [self._clip(stem, rngs) for stem in range(len(STEMS))]
        if "double" not in self.augment:
            return first
        double = [draw_double(rngs["double"]) for _ in STEMS]
        return [
            chunk + self._clip(stem, rngs) if more else chunk
            for stem, (chunk, more) in enumerate(zip(first, double, strict=True))
        ]

    def _clip(self, stem: int, rngs: Generators) -> np.ndarray:
        tries = TRIES if "active" in self.augment and draw_active(rngs["active"]) else 1
        for _ in range(tries):
            song = self._song(stem, rngs["places"])
            samples = self._read_samples(rngs)
            chunk = song.chunk(stem, self._start(song.samples, samples, rngs["places"]), samples)
            if is_active(chunk):
                break
        return change_speed(chunk, self.samples)

    def _song(self, stem: int, rng: np.random.Generator) -> CachedSong:
        return self.songs[draw_songs(self.shares[stem], 1, rng)[0]]

    def _read_samples(self, rngs: Generators) -> int:
        """Return the samples to read for a chunk at the speed drawn for it."""
        speed = draw_speed(rngs["resample"]) if "resample" in self.augment else 1.0
        return round(self.samples * speed)

    def _start(self, length: int, samples: int, rng: np.random.Generator) -> int:
        if "chunks" in self.augment:
            return draw_start(length, samples, rng)
        return draw_start(length // samples, 1, rng) * samples

    def _augmented(self, chunk: np.ndarray, rngs: Generators) -> np.ndarray:
        steps = {"swap": swap_channels, "gain": scale, "polarity": flip_polarity, "eq": equalize}
        for name, step in steps.items():
            if name in self.augment:
                chunk = step(chunk, rngs[name])
        return chunk


def training_batches(
    chunks: RemixedChunks, batch: int, first: int = 0
) -> "tf.data.Dataset | keras.utils.PyDataset":
    """Create batches of consecutive examples, prepared in the background.

    Args:
        chunks: The examples.
        batch: Examples in a batch.
        first: Number of the first batch; batch i holds examples from i * batch on.

    Returns:
        An infinite data set for `fit`: a tf.data.Dataset on TensorFlow, otherwise a PyDataset. Both
        return the same batches (mixture, targets): (batch, samples, channels) and (batch,
        len(targets), samples, channels).
    """
    if keras.backend.backend() == "tensorflow":
        return _tensorflow_batches(chunks, batch, first)
    return Batches(chunks, batch, first)


def _tensorflow_batches(chunks: RemixedChunks, batch: int, first: int) -> "tf.data.Dataset":
    import tensorflow as tf

    def example(number: "tf.Tensor") -> tuple["tf.Tensor", ...]:
        # Not stateful: TensorFlow would run it in one thread where operations are deterministic.
        arrays = tf.numpy_function(chunks.__getitem__, [number], (tf.float32,) * 2, stateful=False)
        return tuple(map(tf.ensure_shape, arrays, chunks.shapes))

    numbers = tf.data.Dataset.range(first * batch, np.iinfo(np.int64).max)
    examples = numbers.map(example, num_parallel_calls=WORKERS, deterministic=True)
    return examples.batch(batch, drop_remainder=True).prefetch(AHEAD)


class Batches(keras.utils.PyDataset):
    """The batches of `training_batches` on any backend; threads prepare the next ones.

    Args:
        chunks: The examples.
        batch: Examples in a batch.
        first: Number of the first batch.
    """

    num_batches = None

    def __init__(self, chunks: RemixedChunks, batch: int, first: int = 0):
        super().__init__()
        self.chunks, self.batch, self.first = chunks, batch, first
        self.pool = concurrent.futures.ThreadPoolExecutor(WORKERS)
        self.pending: dict[int, concurrent.futures.Future[Batch]] = {}

    def __getitem__(self, index: int) -> Batch:
        wanted = range(index, index + 1 + AHEAD)
        self.pending = {i: self.pending.get(i) or self.pool.submit(self._make, i) for i in wanted}
        return self.pending.pop(index).result()

    def _make(self, index: int) -> Batch:
        start = (self.first + index) * self.batch
        examples = [self.chunks[number] for number in range(start, start + self.batch)]
        return tuple(map(np.stack, zip(*examples, strict=True)))


class WholeSongs(keras.utils.PyDataset):
    """Validation batches of unmodified songs in consecutive chunks; the last is zero-padded.

    Args:
        songs: Songs to cut.
        targets: Stems that the network learns.
        samples: Length of a chunk in samples.
        batch: Chunks in a batch; the last batch may have fewer.

    Batches have the shapes of those of `training_batches`.
    """

    def __init__(
        self,
        songs: Sequence[CachedSong],
        targets: Sequence[str],
        samples: int,
        batch: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.samples, self.batch = samples, batch
        self.targets = [STEMS.index(target) for target in targets]
        starts = [(song, range(0, song.samples, samples)) for song in songs]
        self.chunks = [(song, start) for song, all_starts in starts for start in all_starts]

    def __len__(self) -> int:
        return -(-len(self.chunks) // self.batch)

    def __getitem__(self, index: int) -> Batch:
        chunks = self.chunks[index * self.batch : (index + 1) * self.batch]
        stems = np.stack(
            [
                [song.chunk(stem, start, self.samples) for stem in range(len(STEMS))]
                for song, start in chunks
            ]
        )
        return stems.sum(axis=1), stems[:, self.targets]
