import keras
import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained import networks


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A small network of two stems with random weights and statistics of batch norm."""
    keras.utils.set_random_seed(1)
    network = networks.NetworkSpec(TABLES["tiny"], ("vocals", "drums"))
    model = network.build()
    for weight in model.weights:
        noise = np.random.default_rng(len(weight.path)).uniform(0.5, 1.5, weight.shape)
        weight.assign(weight * noise + (0.1 if "beta" in weight.path else 0))
    path = tmp_path_factory.mktemp("network") / "tiny"
    networks.save_network(path, network, model)
    return path
