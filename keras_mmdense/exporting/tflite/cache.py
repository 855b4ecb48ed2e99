"""Cache of shipped networks as `.tflite` files, which LiteRT runs without TensorFlow."""

from pathlib import Path

import keras

from keras_mmdense.errors import InputError
from keras_mmdense.exporting.tflite.export import can_step, export_tflite
from keras_mmdense.separation.engines.compiled import cached_file
from keras_mmdense.utils.files import check_writable


def fill_cache(name: str) -> Path | None:
    """Export a shipped network in 8 bits to the cache; the file appears when it is complete.

    Args:
        name: Name of a network that ships with the package.

    Returns:
        The file, or None where the cache cannot be written or Keras does not run on TensorFlow.
    """
    path = cached_file(name)
    try:
        check_writable(path.parent)
    except InputError:  # a system account without a home: nothing is lost but time
        return None
    if keras.backend.backend() != "tensorflow":
        return None
    export_tflite([name], path, steps=can_step([name]), quantize="dynamic")
    return path
