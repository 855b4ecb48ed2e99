"""Run by test_backends.py: the outputs of every network on one backend, from the same weights."""

import sys

import keras
import numpy as np

import keras_mmdense
from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.separation.separator import Separator

PARTS = {"fnn", "blstm"}  # of blend


def zeros(initializer, shape, dtype=None, **kwargs):
    return keras.ops.zeros(shape, dtype)


def fill(model, rng):
    """Gives a model weights that do not depend on the backend."""
    for weight in model.weights:
        fan_in = np.prod(weight.shape[:-1]) if len(weight.shape) > 1 else 1
        values = rng.standard_normal(weight.shape) / np.sqrt(fan_in)
        positive = weight.path.endswith("variance")
        weight.assign(np.abs(values) + 0.5 if positive else values)


def main(path):
    # All weights are filled in below; JAX would compile a sampler for every shape first.
    keras.initializers.GlorotUniform.__call__ = keras.initializers.Orthogonal.__call__ = zeros
    rng = np.random.default_rng(0)
    x = np.abs(rng.standard_normal((1, 21, 129, 2))).astype("float32")
    results = {"backend": np.array(keras.backend.backend())}
    for name in sorted(set(keras_mmdense.list_models()) - PARTS):
        model = keras_mmdense.build(name, bins=129, targets=("vocals", "drums"))
        fill(model, rng)
        results[name] = model.predict_on_batch(x)
    network = NetworkSpec(TABLES["tiny"], ("vocals", "drums", "bass", "other"))
    model = network.build()
    fill(model, rng)
    song = 0.1 * rng.standard_normal((30000, 2))
    stems = Separator.from_networks([(network, model)]).separate(song, 44100)
    results |= {f"separated {name}": stem for name, stem in stems.items()}
    np.savez(path, **results)


if __name__ == "__main__":
    main(sys.argv[1])
