"""Batches of waveforms for `fit`, the same on every backend."""

import concurrent.futures
from collections.abc import Collection, Sequence

import keras
import numpy as np

from keras_mmdense.data.augmentation import (
    AUGMENTATIONS,
    draw_songs,
    draw_start,
    scale,
    swap_channels,
)
from keras_mmdense.data.cache import CachedSong
from keras_mmdense.stems import STEMS

WORKERS = 2
AHEAD = 2


class RemixedChunks:
    """An endless row of training examples: the paper's augmentation of songs.

    Songs are drawn by their weight. Example n depends on (seed, n) alone, and every step of the
    augmentation has random numbers of its own: leaving one out changes nothing in the others.

    Args:
        songs: Songs to draw from.
        targets: Stems the network learns.
        samples: Length of a chunk in samples.
        seed: Seed of all randomness.
        augment: Steps to take. "remix": every stem of a mixture is from another song and place,
            else all are of one; "chunks": a chunk starts anywhere, else at a multiple of its
            length; "swap" and "gain", see `swap_channels` and `scale`.

    An example is (mixture, targets): (samples, channels) and (len(targets), samples, channels),
    float32.
    """

    def __init__(
        self,
        songs: Sequence[CachedSong],
        targets: Sequence[str],
        samples: int,
        seed: int,
        augment: Collection[str] = AUGMENTATIONS,
    ):
        self.songs, self.samples, self.seed, self.augment = songs, samples, seed, augment
        self.targets = [STEMS.index(target) for target in targets]
        weights = np.array([song.weight for song in songs], dtype=float)
        self.share = weights / weights.sum()

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        places, *rngs = (np.random.default_rng((self.seed, number, step)) for step in range(3))
        stems = np.stack(
            [
                self._augmented(self.songs[song].chunk(stem, start, self.samples), *rngs)
                for stem, (song, start) in enumerate(self._places(places))
            ]
        )
        return stems.sum(axis=0), stems[self.targets]

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of an example's mixture and targets."""
        mixture = (self.samples, self.songs[0].audio.shape[2])
        return mixture, (len(self.targets), *mixture)

    def _places(self, rng):
        """Song and first sample of every stem."""
        remix = "remix" in self.augment
        places = [
            (song, self._start(self.songs[song].samples, rng))
            for song in draw_songs(self.share, len(STEMS) if remix else 1, rng)
        ]
        return places if remix else places * len(STEMS)

    def _start(self, length, rng):
        if "chunks" in self.augment:
            return draw_start(length, self.samples, rng)
        return draw_start(length // self.samples, 1, rng) * self.samples

    def _augmented(self, chunk, swaps, gains):
        chunk = swap_channels(chunk, swaps) if "swap" in self.augment else chunk
        return scale(chunk, gains) if "gain" in self.augment else chunk


def training_batches(chunks: RemixedChunks, batch: int, first: int = 0):
    """Batches of consecutive examples, made in the background while the device computes.

    Args:
        chunks: The examples.
        batch: Examples in a batch.
        first: Number of the first batch; batch i holds examples from i * batch on.

    Returns:
        What `fit` takes, without end: a tf.data.Dataset on TensorFlow, else a PyDataset. Both give
        the same batches (mixture, targets): (batch, samples, channels) and (batch, len(targets),
        samples, channels).
    """
    if keras.backend.backend() == "tensorflow":
        return _tensorflow_batches(chunks, batch, first)
    return Batches(chunks, batch, first)


def _tensorflow_batches(chunks, batch, first):
    import tensorflow as tf

    def example(number):
        # Not stateful: TensorFlow would run it in one thread where operations are deterministic.
        arrays = tf.numpy_function(chunks.__getitem__, [number], (tf.float32,) * 2, stateful=False)
        return tuple(map(tf.ensure_shape, arrays, chunks.shapes))

    numbers = tf.data.Dataset.range(first * batch, np.iinfo(np.int64).max)
    examples = numbers.map(example, num_parallel_calls=WORKERS, deterministic=True)
    return examples.batch(batch, drop_remainder=True).prefetch(AHEAD)


class Batches(keras.utils.PyDataset):
    """The batches of `training_batches` on any backend; threads make the next ones meanwhile.

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
        self.pending = {}

    def __getitem__(self, index):
        wanted = range(index, index + 1 + AHEAD)
        self.pending = {i: self.pending.get(i) or self.pool.submit(self._make, i) for i in wanted}
        return self.pending.pop(index).result()

    def _make(self, index):
        start = (self.first + index) * self.batch
        examples = [self.chunks[number] for number in range(start, start + self.batch)]
        return tuple(map(np.stack, zip(*examples, strict=True)))


class WholeSongs(keras.utils.PyDataset):
    """Validation batches: songs as they are, cut in consecutive chunks; the last ends in zeros.

    Args:
        songs: Songs to cut.
        targets: Stems the network learns.
        samples: Length of a chunk in samples.
        batch: Chunks in a batch; the last batch may hold fewer.

    A batch has the shapes that `training_batches` gives.
    """

    def __init__(self, songs: Sequence[CachedSong], targets, samples, batch, **kwargs):
        super().__init__(**kwargs)
        self.samples, self.batch = samples, batch
        self.targets = [STEMS.index(target) for target in targets]
        starts = [(song, range(0, song.samples, samples)) for song in songs]
        self.chunks = [(song, start) for song, all_starts in starts for start in all_starts]

    def __len__(self):
        return -(-len(self.chunks) // self.batch)

    def __getitem__(self, index):
        chunks = self.chunks[index * self.batch : (index + 1) * self.batch]
        stems = np.stack(
            [
                [song.chunk(stem, start, self.samples) for stem in range(len(STEMS))]
                for song, start in chunks
            ]
        )
        return stems.sum(axis=1), stems[:, self.targets]
