"""Training of a network with `fit`, which resumes an interrupted run."""

import importlib.util
from pathlib import Path

import keras

from keras_mmdense.data import datasets
from keras_mmdense.data.cache import CachedSong
from keras_mmdense.data.pipeline import Batches, RemixedChunks, training_batches
from keras_mmdense.errors import InputError
from keras_mmdense.training.callbacks import Checkpoint, Clock, Curve, KeepBest, Validate
from keras_mmdense.training.card import CardWriter
from keras_mmdense.training.checkpoint import load_checkpoint
from keras_mmdense.training.config import TrainConfig
from keras_mmdense.training.distribution import building, fitting, replicas
from keras_mmdense.training.model import (
    chunk_samples,
    compiled_model,
    network_of,
    start_from,
    waveform_loss,
)
from keras_mmdense.training.run_folder import (
    CHECKPOINT,
    check_finished,
    describe_run,
    find_run,
    songs_digest,
    write_run,
)
from keras_mmdense.training.validation import STATISTICS_BATCHES, Validator
from keras_mmdense.utils.progress import Progress

Songs = dict[str, list[CachedSong]]


def load_songs(
    config: TrainConfig,
    cache: str | Path,
    progress: Progress | None = None,
) -> Songs:
    """Find and decode the songs that settings name.

    Args:
        config: Names the data sets and the network, which determines sample rate and channels.
        cache: Folder for decoded songs, see `datasets.load`.
        progress: Called with (songs done, total songs).

    Returns:
        Memory-mapped songs by split, "train" and "valid".

    Raises:
        InputError: If a data set is missing or invalid, or the cache cannot be written.
    """
    spec = network_of(config)
    sample_rate, channels = spec.config.sample_rate, spec.channels
    return datasets.load(config.datasets, cache, sample_rate, channels, progress=progress)


def train(
    config: TrainConfig, songs: Songs, output: str | Path, command: str = ""
) -> list[dict[str, float]]:
    """Train a network and keep the best epoch, see `TrainConfig.keep`.

    Chunks are remixed across all songs, see `RemixedChunks`; validation runs over whole songs. A
    checkpoint is written after each epoch; if `output` contains one with the same settings, the run
    resumes from it, and ends with the same weights as an uninterrupted one (on the same machine and
    backend).

    Args:
        config: All settings.
        songs: What `load_songs` returned.
        output: Folder for `network.json`, its weights and `CARD.md`, `checkpoint.npz`, `run.json`,
            `curve.csv`, `curve.png` and, if tensorboard is installed, its `logs`.
        command: The command that trains, for the card.

    Returns:
        Metrics of each epoch, as in `curve.csv`, including those before a restart.

    Raises:
        InputError: If `output` contains another run, or one on other songs, or cannot be written,
            there are fewer devices than requested, or the loss is not a number.
    """
    output, spec = Path(output), network_of(config)
    run = describe_run(config, spec) | {"songs": songs_digest(songs)}
    going_on = find_run(output, config)
    if going_on.get("songs", run["songs"]) != run["songs"]:
        raise InputError(f"{output}: holds a run on other songs; choose another folder")
    make_reproducible(config)
    loss = waveform_loss(config, spec)
    validator = Validator(spec, songs["valid"], chunk_samples(config, spec), config.batch, loss)
    spread = replicas(config.devices)
    with building(spread):
        trained, model = compiled_model(config, spec)
    variables = [*trained.variables, *model.optimizer.variables]
    if config.init and not going_on:
        start_from(config, trained, model)
    state = load_checkpoint(output / CHECKPOINT, variables) if going_on else {}
    chunks = training_chunks(config, songs)
    seconds = config.batch * config.steps * chunks.samples / spec.config.sample_rate
    card = CardWriter(config, spec, songs, seconds, command)
    callbacks = _callbacks(config, validator, trained, chunks, output, card)
    callbacks.append(Checkpoint(output, variables, callbacks, run, state))
    done = state.get("epochs_done", 0)
    if state.get("finished"):
        write_run(output, run, state)
    else:
        with fitting(spread):
            model.fit(
                training_batches(chunks, config.batch, done * config.steps),
                epochs=config.epochs,
                initial_epoch=done,
                steps_per_epoch=config.steps,
                shuffle=False,
                callbacks=callbacks,
            )
    check_finished(output)
    return callbacks[-1].state["callbacks"]["Curve"]["rows"]


def training_chunks(config: TrainConfig, songs: Songs) -> RemixedChunks:
    """Return the training examples of settings; `training_batches` batches them."""
    samples = chunk_samples(config, network_of(config))
    return RemixedChunks(songs["train"], config.targets, samples, config.seed, config.augment)


def make_reproducible(config: TrainConfig) -> None:
    """Seed all random numbers, and make TensorFlow's operations deterministic."""
    keras.utils.set_random_seed(config.seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif _has_tensorboard():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")  # TensorBoard's writer would allocate its memory.


def _callbacks(
    config: TrainConfig,
    validator: Validator,
    trained: keras.Model,
    chunks: RemixedChunks,
    output: Path,
    card: CardWriter,
) -> list[keras.callbacks.Callback]:
    batches = Batches(chunks, config.batch) if config.average else None
    count = min(STATISTICS_BATCHES, config.steps)
    clock = Clock()
    callbacks = [
        clock,
        Validate(validator, trained, batches, count, config.sdr_every),
    ]
    if config.schedule == "plateau":
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                factor=0.1,
                patience=config.patience,
                min_delta=0.0,
                min_lr=config.learning_rate / 10,
            )
        )
    if config.early_stopping:
        callbacks.append(keras.callbacks.EarlyStopping(patience=config.early_stopping))
    keep = config.keep if config.sdr_every else "loss"
    callbacks.append(KeepBest(output, validator, keep, card, clock))
    callbacks.append(Curve(output, card.epoch_seconds, config.targets, config.loss))
    if _has_tensorboard():
        callbacks.append(keras.callbacks.TensorBoard(output / "logs", write_graph=False))
    return callbacks


def _has_tensorboard() -> bool:
    """Return whether Keras can write TensorBoard's logs, which on any backend needs TensorFlow."""
    return all(importlib.util.find_spec(name) for name in ("tensorboard", "tensorflow"))
