"""Networks with random weights."""

import keras
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.stems import STEMS


@pytest.fixture(scope="session")
def random_network():
    """Builds the same network each time: (table, targets, sizes) -> (spec, network)."""

    def build(config=TABLES["tiny"], targets=STEMS, **sizes):
        keras.utils.set_random_seed(1)
        spec = NetworkSpec(config, targets, **sizes)
        return spec, spec.build()

    return build
