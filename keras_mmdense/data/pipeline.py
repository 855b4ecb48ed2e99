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
# One bit for each stem of a recording.
ALONE = [2**stem for stem in range(len(STEMS))]
Generators = dict[str, np.random.Generator]
Batch = tuple[np.ndarray, ...]


class RemixedChunks:
    """An infinite sequence of training examples: augmented mixtures of songs' stems.

    Songs are drawn by their weight, for each stem among those that have it, or a recording of it
    and others that are still to be drawn. Example n depends only on (seed, n), and each step of the
    augmentation has its own random numbers: leaving one out does not change the others.

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
    float32. The first target of a joint recording has it; the others are not numbers.

    Raises:
        InputError: If no song has one of the stems, or "remix" is not applied and a song lacks a
            stem, or targets that a recording joins do not follow each other.
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
        self.shares = np.zeros((len(STEMS), len(songs)))
        self.groups = np.zeros(self.shares.shape, int)
        for number, song in enumerate(songs):
            for stem, others in self._recordings(song).items():
                self.shares[stem, number] = song.weight
                self.groups[stem, number] = sum(ALONE[other] for other in others)
        for stem, alone in enumerate(ALONE):
            if not self.shares[stem][self.groups[stem] == alone].any():
                raise InputError(f"no song has the stem {STEMS[stem]}")
        if "remix" not in augment and (self.groups.sum(axis=0) != sum(ALONE)).any():
            raise InputError("songs that lack a stem can be trained on with remix only")
        self.shares /= self.shares.sum(axis=1, keepdims=True)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        rngs = {
            name: np.random.default_rng((self.seed, number, step))
            for step, name in enumerate(RANDOM_STEPS)
        }
        chunks, groups = self._remixed(rngs) if "remix" in self.augment else self._together(rngs)
        stems = np.stack([self._augmented(chunk, rngs) for chunk in chunks])
        if "level" in self.augment:
            stems *= draw_level(rngs["level"])
        targets = stems[self.targets]
        for stem, group in enumerate(groups):
            places = [i for i, target in enumerate(self.targets) if group & ALONE[target]]
            if len(places) > 1:
                targets[places] = np.nan
                targets[places[0]] = stems[stem]
        return stems.sum(axis=0), targets

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of an example's mixture and targets."""
        mixture = (self.samples, self.songs[0].audio.shape[2])
        return mixture, (len(self.targets), *mixture)

    def _recordings(self, song: CachedSong) -> dict[int, list[int]]:
        """Return the recordings of a song that can be trained on: first stem -> all its stems."""
        found: dict[int, list[int]] = {}
        for stem, recording in enumerate(song.recordings):
            if recording is not None:
                found.setdefault(recording, []).append(stem)
        for first, stems in list(found.items()):
            places = sorted(self.targets.index(stem) for stem in stems if stem in self.targets)
            if 0 < len(places) < len(stems):
                del found[first]
            elif places and places[-1] - places[0] >= len(places):
                names = " and ".join(STEMS[stem] for stem in stems)
                raise InputError(f"{song.name}: {names}, recorded together, must be neighbors")
        return found

    def _together(self, rngs: Generators) -> tuple[list[np.ndarray], list[int]]:
        """Return chunks of all stems from the same position of a song, and their groups."""
        for _ in range(self._tries(rngs)):
            number = self._song(0, sum(ALONE), rngs["places"])
            song, samples = self.songs[number], self._read_samples(rngs)
            start = self._start(song.samples, samples, rngs["places"])
            groups = [int(group) for group in self.groups[:, number]]
            chunks = [song.chunk(stem, start, samples) * bool(x) for stem, x in enumerate(groups)]
            if any(map(is_active, chunks)):
                break
        return [change_speed(chunk, self.samples) for chunk in chunks], groups

    def _remixed(self, rngs: Generators) -> tuple[list[np.ndarray], list[int]]:
        """Return chunks of all stems, each from another song and position, and their groups.

        A recording of several stems is the chunk of the first; the others have zeros and no group.
        """
        chunks = [np.zeros(self.shapes[0], "float32")] * len(STEMS)
        groups, free = [0] * len(STEMS), sum(ALONE)
        for stem, alone in enumerate(ALONE):
            if free & alone:
                chunks[stem], groups[stem] = self._clip(stem, free, rngs)
                free &= ~groups[stem]
        for stem, group in enumerate(groups if "double" in self.augment else ()):
            if draw_double(rngs["double"]) and group:
                chunks[stem] = chunks[stem] + self._clip(stem, group, rngs)[0]
        return chunks, groups

    def _clip(self, stem: int, allowed: int, rngs: Generators) -> tuple[np.ndarray, int]:
        """Return a chunk of a stem, alone or with others that are allowed, and its group."""
        for _ in range(self._tries(rngs)):
            number = self._song(stem, allowed, rngs["places"])
            song, samples = self.songs[number], self._read_samples(rngs)
            chunk = song.chunk(stem, self._start(song.samples, samples, rngs["places"]), samples)
            if is_active(chunk):
                break
        return change_speed(chunk, self.samples), int(self.groups[stem, number])

    def _tries(self, rngs: Generators) -> int:
        """Return how often to draw a chunk that is not silent."""
        return TRIES if "active" in self.augment and draw_active(rngs["active"]) else 1

    def _song(self, stem: int, allowed: int, rng: np.random.Generator) -> int:
        """Draw the number of a song."""
        fits = self.groups[stem] & ~allowed == 0
        share = self.shares[stem]
        if not fits.all():
            share = share * fits / (share * fits).sum()
        return int(draw_songs(share, 1, rng)[0])

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
