"""Data parallelism over devices: MirroredStrategy on TensorFlow, DataParallel on JAX."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_mmdense.errors import InputError


def replicas(devices: int) -> Any:
    """Create the strategy that distributes batches over devices.

    Args:
        devices: Number of devices, the first that the backend lists, GPUs before CPUs.

    Returns:
        A tf.distribute.Strategy or a keras.distribution.Distribution; None for one device.

    Raises:
        InputError: If there are fewer devices, or the backend is torch.
    """
    if devices == 1:
        return None
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        names = _first([device.name for device in found], devices)
        return tf.distribute.MirroredStrategy(names)
    if backend == "jax":
        return keras.distribution.DataParallel(
            devices=_first(keras.distribution.list_devices(), devices)
        )
    raise InputError(f"{backend} trains on one device; choose the backend tensorflow or jax")


def building(spread: Any) -> contextlib.AbstractContextManager[Any]:
    """Return the scope in which to build and compile a model, for what `replicas` returned."""
    return spread.scope() if spread else contextlib.nullcontext()


def fitting(spread: Any) -> contextlib.AbstractContextManager[Any]:
    """Return the scope in which to call `fit`."""
    return building(spread if keras.backend.backend() == "jax" else None)


@contextlib.contextmanager
def one_device() -> Iterator[None]:
    """Provide a scope inside `fitting` for models built outside of `building`."""
    if keras.backend.backend() != "jax":
        yield
        return
    spread = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(spread)


def _first(found: Sequence[str], devices: int) -> Sequence[str]:
    if len(found) < devices:
        raise InputError(f"{devices} devices requested, found {len(found)}: {', '.join(found)}")
    return found[:devices]
