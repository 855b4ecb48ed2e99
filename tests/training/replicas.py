"""Run by test_distribution.py: five training steps on one or two devices of this machine.

    python replicas.py out.npz devices model [process address]

With a process, 0 or 1, the two devices are in a process each (JAX), which feeds its part of every
batch.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if not sys.argv[4:]:
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import keras
import numpy as np

from keras_mmdense.data.cache import CachedSong
from keras_mmdense.data.datasets import DatasetSpec
from keras_mmdense.data.pipeline import training_batches
from keras_mmdense.training.config import TrainConfig
from keras_mmdense.training.distribution import building, fitting, replicas
from keras_mmdense.training.fit import training_chunks
from keras_mmdense.training.model import averaged_weights, compiled_model, network_of


def main(path, devices, model, process=None, address=None):
    if process is not None:
        keras.distribution.initialize(address, 2, int(process))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
    config = TrainConfig(
        (DatasetSpec("none"),),
        model=model,
        targets=("vocals", "bass"),
        batch=4,
        frames=12,
        learning_rate=1e-4,
        devices=int(devices),
    )
    rng = np.random.default_rng(0)
    songs = [CachedSong("noise", 0.03 * rng.standard_normal((4, 40000, 2), "float32"))] * 4
    keras.utils.set_random_seed(0)
    spread = replicas(config.devices)
    with building(spread):
        inner, trained = compiled_model(config, network_of(config))
    batches = training_batches(training_chunks(config, {"train": songs}), config.batch)
    if process is not None:
        batches = part(batches, int(process), config.batch // 2)
        spread.auto_shard_dataset = False
    with fitting(spread):
        history = trained.fit(batches, epochs=5, steps_per_epoch=1, shuffle=False, verbose=0)
    variables = [*inner.variables, *averaged_weights(trained.optimizer)]
    values = {f"{i}": keras.ops.convert_to_numpy(value) for i, value in enumerate(variables)}
    np.savez(path, loss=history.history["loss"], **values)


def part(batches, process, size):
    """The examples of every batch that one process feeds."""
    rows = slice(process * size, (process + 1) * size)
    for number in range(5):
        mixture, targets = batches[number]
        yield mixture[rows], targets[rows]


if __name__ == "__main__":
    main(*sys.argv[1:])
