"""Batches of waveforms for `fit`, the same on every backend."""

import keras
import numpy as np

from keras_mmdense.data.augmentation import scale, swap_channels
from keras_mmdense.data.cache import CachedSong
from keras_mmdense.stems import STEMS


class RemixedChunks(keras.utils.PyDataset):
    """Training batches: random chunks, every stem of a mixture from another song.

    Every stem's chunk is drawn uniformly over all music, its channels are swapped at random and a
    random gain is applied (the augmentation of the paper). Batch i of epoch e depends on
    (seed, e, i) alone.

    Args:
        songs: Songs to draw from.
        targets: Stems the network learns.
        samples: Length of a chunk in samples.
        batch: Chunks in a batch.
        steps: Batches in an epoch.
        seed: Seed of all randomness.

    A batch is (mixture, targets): mixture (batch, samples, channels), targets
    (batch, len(targets), samples, channels), float32.
    """

    def __init__(self, songs: list[CachedSong], targets, samples, batch, steps, seed, **kwargs):
        super().__init__(**kwargs)
        self.songs, self.samples, self.batch, self.steps = songs, samples, batch, steps
        self.targets = [STEMS.index(target) for target in targets]
        self.seed, self.epoch = seed, 0
        lengths = np.array([song.samples for song in songs], dtype=float)
        self.share = lengths / lengths.sum()

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        rng = np.random.default_rng((self.seed, self.epoch, index))
        stems = np.stack([self._stems(rng) for _ in range(self.batch)])
        return stems.sum(axis=1), stems[:, self.targets]

    def on_epoch_end(self):
        self.epoch += 1

    def _stems(self, rng):
        spread = len(self.songs) >= len(STEMS)
        songs = rng.choice(len(self.songs), len(STEMS), replace=not spread, p=self.share)
        return np.stack([self._chunk(song, stem, rng) for stem, song in enumerate(songs)])

    def _chunk(self, song, stem, rng):
        song = self.songs[song]
        start = rng.integers(max(1, song.samples - self.samples + 1))
        return scale(swap_channels(song.chunk(stem, start, self.samples), rng), rng)


class WholeSongs(keras.utils.PyDataset):
    """Validation batches: songs as they are, cut in consecutive chunks; the last ends in zeros.

    Args:
        songs: Songs to cut.
        targets: Stems the network learns.
        samples: Length of a chunk in samples.
        batch: Chunks in a batch; the last batch may hold fewer.

    A batch has the shapes of `RemixedChunks`.
    """

    def __init__(self, songs: list[CachedSong], targets, samples, batch, **kwargs):
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
