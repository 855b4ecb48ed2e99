"""Training a network with `fit`."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_mmdense.data.cache import CachedSong, cache_songs
from keras_mmdense.data.pipeline import RemixedChunks, WholeSongs
from keras_mmdense.data.songs import find_songs
from keras_mmdense.files import replacing
from keras_mmdense.layers.stft import STFT, Magnitude
from keras_mmdense.training.callbacks import KeepBest, LossCurve
from keras_mmdense.training.losses import MagnitudeMSE
from keras_mmdense.weights import Network


@dataclasses.dataclass(frozen=True)
class Songs:
    """Decoded songs to train on and to validate with, and where they come from."""

    training: list[CachedSong]
    validation: list[CachedSong]
    roots: tuple[str, ...]


def load_songs(
    roots: Sequence[str | Path],
    network: Network,
    cache: str | Path,
    progress: Callable[[str, int, int], None] | None = None,
) -> Songs:
    """Finds and decodes the songs of data sets, all mixed with one another.

    Args:
        roots: Folders of data sets, see `find_songs`.
        network: Gives the rate and the channels that songs must have.
        cache: Folder for decoded songs, see `cache_songs`.
        progress: Called with (what, songs done, songs in all).

    Returns:
        The songs, memory-mapped.

    Raises:
        InputError: If a data set is missing or not as expected, or the cache cannot be written.
    """
    decoded = {"train": [], "valid": []}
    for root in roots:
        root = Path(root).resolve()
        folder = Path(cache) / f"{root.name}-{hashlib.sha256(str(root).encode()).hexdigest()[:8]}"
        for split, songs in decoded.items():
            report = functools.partial(progress, f"{root.name}, {split}") if progress else None
            rate, channels = network.config.sample_rate, network.channels
            songs += cache_songs(find_songs(root, split), folder, rate, channels, report)
    return Songs(decoded["train"], decoded["valid"], tuple(str(root) for root in roots))


def train(
    songs: Songs,
    network: Network,
    output: str | Path,
    *,
    epochs: int = 50,
    steps: int = 100,
    batch: int = 8,
    frames: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> keras.callbacks.History:
    """Trains a network and keeps the weights of the lowest validation loss.

    Chunks are remixed across all songs, see `RemixedChunks`; validation runs over whole songs.
    Adam, its rate falling to zero along a cosine.

    Args:
        songs: What `load_songs` gives.
        network: What to train.
        output: Folder for `network.json`, weights, `run.json`, `curve.csv` and `curve.png`.
        epochs: Number of epochs.
        steps: Batches in an epoch.
        batch: Chunks in a batch.
        frames: Frames in a chunk.
        learning_rate: Rate of Adam at the start.
        seed: Seed of initial weights and batches.

    Returns:
        The history of `fit`.

    Raises:
        InputError: If the output cannot be written.
    """
    output = Path(output)
    settings = {"epochs": epochs, "steps": steps, "batch": batch, "frames": frames, "seed": seed}
    settings |= {"learning_rate": learning_rate, "roots": songs.roots}
    settings |= {"backend": keras.backend.backend(), "keras": keras.__version__}
    with replacing(output / "run.json") as partial:
        partial.write_text(json.dumps(settings, indent=2) + "\n")
    samples = (frames - 1) * network.config.hop
    keras.utils.set_random_seed(seed)
    inner = network.build()
    model = compile_for_training(inner, network, samples, learning_rate, epochs * steps)
    seconds = batch * steps * samples / network.config.sample_rate
    targets = network.sources
    return model.fit(
        RemixedChunks(songs.training, targets, samples, batch, steps, seed, workers=2),
        validation_data=WholeSongs(songs.validation, targets, samples, batch, workers=2),
        epochs=epochs,
        callbacks=[KeepBest(output, network, inner), LossCurve(output, seconds)],
    )


def compile_for_training(
    inner: keras.Model, network: Network, samples: int, learning_rate: float, total_steps: int
) -> keras.Model:
    """Puts the STFT before a network and compiles the two.

    Args:
        inner: The network, magnitude in and magnitude out.
        network: What it is.
        samples: Length of a training chunk in samples.
        learning_rate: Rate of Adam at the start.
        total_steps: Steps until the rate is zero.

    Returns:
        A model from waveforms (batch, samples, channels) to magnitudes, that shares the network's
        weights.
    """
    n_fft, hop = 2 * (network.bins - 1), network.config.hop
    waveform = keras.Input((samples, network.channels), name="mixture")
    model = keras.Model(waveform, inner(Magnitude()(STFT(n_fft, hop)(waveform))))
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, total_steps)
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=MagnitudeMSE(n_fft, hop),
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    return model
