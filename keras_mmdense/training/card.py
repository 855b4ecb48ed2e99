"""The card of a network in training: data, settings, validation scores and versions."""

import dataclasses
import math
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence

import keras

import keras_mmdense
from keras_mmdense.data.cache import CachedSong
from keras_mmdense.pretrained.catalog import network_folder, read_card
from keras_mmdense.pretrained.network_card import (
    NETWORK,
    RESEARCH,
    UNKNOWN,
    DataSet,
    NetworkCard,
    Provenance,
    Score,
    ScoreTable,
    join_terms,
)
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.training.config import TrainConfig

TERMS = "unknown; the terms of the training data apply"


@dataclasses.dataclass(frozen=True)
class CardWriter:
    """Describes the network of any epoch of a run.

    Args:
        config: Settings of the run.
        spec: The network.
        songs: Songs by split, "train" and "valid".
        epoch_seconds: Seconds of audio in an epoch.
        command: The command that trains, "" if it is not a command.
    """

    config: TrainConfig
    spec: NetworkSpec
    songs: Mapping[str, Sequence[CachedSong]]
    epoch_seconds: float
    command: str = ""

    def describe(self, epochs: int, sdr: Mapping[str, float], seconds: float) -> NetworkCard:
        """Return the card of the network after some epochs.

        Args:
            epochs: Epochs done.
            sdr: SDR in dB by stem on the validation songs; empty if it was not measured.
            seconds: Seconds of training.
        """
        license, terms = UNKNOWN, TERMS
        if self.config.init:
            origin = read_card(network_folder(self.config.init))
            if origin.restricted:
                license, terms = RESEARCH, join_terms(origin)
        table = self.spec.config
        return NetworkCard(
            license=license,
            terms=terms,
            description=f"A `{table.name}` ({table.summary}) that estimates "
            f"{', '.join(self.spec.targets)}.",
            training_data=self._data(),
            provenance=self._provenance(epochs, seconds),
            scores=self._scores(sdr),
        )

    def _data(self) -> tuple[DataSet, ...]:
        names = dict.fromkeys(song.dataset for split in self.songs.values() for song in split)
        return tuple(self._data_set(name) for name in names)

    def _data_set(self, name: str) -> DataSet:
        train, valid = (
            [song for song in self.songs[split] if song.dataset == name]
            for split in ("train", "valid")
        )
        samples = sum(song.samples for song in train)
        hours = round(samples / self.spec.config.sample_rate / 3600, 3)
        more = "1 more song validates." if len(valid) == 1 else f"{len(valid)} more songs validate."
        details = more if valid else ""
        return DataSet(name, "license not recorded", hours, len(train), details)

    def _provenance(self, epochs: int, seconds: float) -> Provenance:
        config = self.config
        start = f" Started from `{config.init}`." if config.init else ""
        return Provenance(
            command=self.command,
            seed=config.seed,
            commit="",
            machine=_machine(),
            software=_software(),
            date=time.strftime("%Y-%m-%d"),
            minutes=round(seconds / 60, 1),
            hours_of_audio=round(epochs * self.epoch_seconds / 3600, 3),
            details=f"Weights after epoch {epochs} of {config.epochs}, each of {config.steps} "
            f"batches of {config.batch} chunks of {config.frames} frames. Loss: {config.loss}. "
            f"Optimizer: {config.optimizer}, learning rate {config.learning_rate:g}, "
            f"{config.schedule}. Augmentation: {', '.join(config.augment) or 'none'}.{start}",
        )

    def _scores(self, sdr: Mapping[str, float]) -> tuple[ScoreTable, ...]:
        if not sdr or not all(map(math.isfinite, sdr.values())):
            return ()
        data = (
            f"Measured in training on up to two minutes of {len(self.songs['valid'])} validation "
            "songs, median over songs of the median over 1 s frames; these songs chose the weights"
        )
        values: dict[str, Score] = {stem: round(value, 2) for stem, value in sdr.items()}
        return (ScoreTable(data, "", {NETWORK: values}),)


def _software() -> str:
    backend = keras.backend.backend()
    version = getattr(sys.modules.get(backend), "__version__", "")
    return (
        f"{backend} {version}, Keras {keras.__version__}, keras_mmdense {keras_mmdense.__version__}"
    )


def _machine() -> str:
    """The accelerators, or else the kind of processor and its cores."""
    backend, found = keras.backend.backend(), []
    if backend == "tensorflow":
        import tensorflow as tf

        details = tf.config.experimental.get_device_details
        gpus = tf.config.list_physical_devices("GPU")
        found = [str(details(gpu).get("device_name", "GPU")) for gpu in gpus]
    elif backend == "jax":
        import jax

        found = [one.device_kind for one in jax.devices() if one.platform != "cpu"]
    elif backend == "torch":
        import torch

        found = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    counts = {name: found.count(name) for name in found}
    names = [name if count == 1 else f"{count} x {name}" for name, count in counts.items()]
    return ", ".join(names) or f"{os.cpu_count()} cores ({platform.machine()})"
