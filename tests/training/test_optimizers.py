import keras
import numpy as np
import pytest

from keras_mmdense.data.datasets import DatasetSpec
from keras_mmdense.errors import InputError
from keras_mmdense.training.config import TrainConfig
from keras_mmdense.training.model import averaged_weights, compiled_model, network_of
from keras_mmdense.training.optimizers import Muon


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((16, 16, 8))
    x = keras.layers.Conv2D(12, 3, padding="same", name="block_conv")(x)
    x = keras.layers.BatchNormalization(name="block_bn")(x)
    return keras.Model(inputs, keras.layers.Conv2D(8, 1, name="output_conv")(x))


def batch(seed=0):
    x = np.random.default_rng(seed).standard_normal((2, 16, 16, 8)).astype("float32")
    return x, x[..., ::-1].copy()


def test_a_step_on_a_kernel_is_the_orthogonal_matrix_next_to_its_gradient(network):
    """The singular values of the update of a kernel are equal, but for the iteration's error."""
    kernel = network.get_layer("block_conv").kernel
    before = keras.ops.convert_to_numpy(kernel)
    network.compile(Muon(1e-3), "mse")
    network.train_on_batch(*batch())
    update = (keras.ops.convert_to_numpy(kernel) - before).reshape(72, 12)
    values = np.linalg.svd(update, compute_uv=False) / (1e-3 * 0.2 * 72**0.5)
    assert 0.6 < values.min() <= values.max() < 1.3
    assert update.std() == pytest.approx(1e-3 * 0.2, rel=0.2)


def test_vectors_and_the_layer_of_the_mask_take_steps_of_adam(network):
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    for model, optimizer in ((network, Muon(1e-3)), (copy, keras.optimizers.Adam(1e-3))):
        model.compile(optimizer, "mse")
        model.train_on_batch(*batch())
    for mine, adams in zip(network.trainable_variables, copy.trainable_variables, strict=True):
        mine, adams = map(keras.ops.convert_to_numpy, (mine, adams))
        assert np.allclose(mine, adams, atol=2e-5) == (mine.shape != (3, 3, 8, 12))


def test_it_learns_averages_and_saves_its_settings(network):
    optimizer = Muon(1e-2, use_ema=True, ema_momentum=0.5)
    assert Muon.from_config(optimizer.get_config()).learning_rate == optimizer.learning_rate
    network.compile(optimizer, "mse")
    losses = [float(network.train_on_batch(*batch(i))) for i in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    average = averaged_weights(optimizer)[0]
    assert keras.ops.convert_to_numpy(average).shape == (3, 3, 8, 12)


def test_an_older_keras_trains_but_not_with_muon(monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.12.4")
    adam = TrainConfig((DatasetSpec("songs"),), model="tiny")
    assert type(compiled_model(adam, network_of(adam))[1].optimizer) is keras.optimizers.Adam
    muon = TrainConfig((DatasetSpec("songs"),), model="tiny", optimizer="muon")
    with pytest.raises(InputError, match=r"muon needs Keras 3\.13 or newer, found 3\.12\.4"):
        compiled_model(muon, network_of(muon))
