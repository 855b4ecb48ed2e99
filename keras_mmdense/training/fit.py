"""Training a network with `fit`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_mmdense.data.cache import cache_songs
from keras_mmdense.data.pipeline import RemixedChunks, WholeSongs
from keras_mmdense.data.songs import find_songs
from keras_mmdense.files import replacing
from keras_mmdense.layers.stft import STFT, Magnitude
from keras_mmdense.training.callbacks import KeepBest, LossCurve
from keras_mmdense.training.losses import MagnitudeMSE
from keras_mmdense.weights import Network


def train(
    roots: Sequence[str | Path],
    network: Network,
    output: str | Path,
    *,
    epochs: int = 50,
    steps: int = 100,
    batch: int = 8,
    frames: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> keras.callbacks.History:
    """Trains a network on data sets and keeps the weights of the lowest validation loss.

    Chunks are remixed across all songs of all data sets (section 4.1 of the paper); validation runs
    over each data set's validation songs. Adam, its rate falling to zero along a cosine.

    Args:
        roots: Folders of data sets, see `find_songs`.
        network: What to train.
        output: Folder for `network.json`, weights, `run.json`, `curve.csv` and `curve.png`.
        epochs: Number of epochs.
        steps: Batches in an epoch.
        batch: Chunks in a batch.
        frames: Frames in a chunk.
        learning_rate: Rate of Adam at the start.
        seed: Seed of initial weights and batches.
        cache: Folder for decoded songs; None stands for `cache` in the output folder.
        progress: Called with (what, done, total) while songs are decoded.

    Returns:
        The history of `fit`.

    Raises:
        InputError: If a data set is missing or not as expected, or the output cannot be written.
    """
    output = Path(output)
    found = [(find_songs(root, "train"), find_songs(root, "valid"), Path(root)) for root in roots]
    settings = {
        "roots": [str(root) for root in roots],
        "epochs": epochs,
        "steps": steps,
        "batch": batch,
        "frames": frames,
        "learning_rate": learning_rate,
        "seed": seed,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
    }
    with replacing(output / "run.json") as partial:
        partial.write_text(json.dumps(settings, indent=2) + "\n")
    cache = Path(cache or output / "cache")
    training, validation = _decode(found, cache, network, progress)
    samples = (frames - 1) * network.config.hop
    keras.utils.set_random_seed(seed)
    inner = network.build()
    model = compile_for_training(inner, network, samples, learning_rate, epochs * steps)
    seconds = batch * steps * samples / network.config.sample_rate
    return model.fit(
        RemixedChunks(training, network.sources, samples, batch, steps, seed, workers=2),
        validation_data=WholeSongs(validation, network.sources, samples, batch, workers=2),
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


def _decode(found, cache, network, progress):
    splits = []
    for split in (0, 1):
        songs = []
        for number, dataset in enumerate(found):
            name = ("training", "validation")[split] + f" songs of {dataset[2].name}"

            def report(done, total, name=name):
                if progress:
                    progress(name, done, total)

            folder = cache / f"{number}-{dataset[2].resolve().name}"
            rate, channels = network.config.sample_rate, network.channels
            songs += cache_songs(dataset[split], folder, rate, channels, report)
        splits.append(songs)
    return splits
