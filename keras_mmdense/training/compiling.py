"""From settings to a model that `fit` takes."""

import keras

from keras_mmdense.errors import InputError
from keras_mmdense.layers.stft import STFT, Magnitude
from keras_mmdense.precision import dtype_policy
from keras_mmdense.registry import model_config
from keras_mmdense.training.config import TrainConfig
from keras_mmdense.training.losses import MagnitudeMSE
from keras_mmdense.weights import Network


def network_of(config: TrainConfig) -> Network:
    """Gives what the network is that settings train."""
    return Network(model_config(config.model), tuple(config.targets))


def chunk_samples(config: TrainConfig, network: Network) -> int:
    """Gives the length of a training chunk in samples."""
    return (config.frames - 1) * network.config.hop


def compiled_model(config: TrainConfig, network: Network) -> tuple[keras.Model, keras.Model]:
    """Builds a network, puts the STFT before it and compiles the two.

    Args:
        config: Precision, devices, optimizer and length of chunks.
        network: What the network is.

    Returns:
        The network, magnitude in and magnitude out, and the model that is trained, from waveforms
        (batch, samples, channels) to magnitudes. They share their weights.

    Raises:
        InputError: If gradients are to be clipped on several devices of TensorFlow, where Keras
            would clip each device's by itself.
    """
    with dtype_policy(config.precision):
        inner = network.build()
    if config.devices > 1 and keras.backend.backend() == "tensorflow":
        if config.clip:
            raise InputError("clip on several devices needs the backend jax, received tensorflow")
        for layer in batch_norms(inner):
            layer.synchronized = True
    model = from_waveform(inner, network, chunk_samples(config, network))
    loss = waveform_loss(network)
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(optimizer=_optimizer(config), loss=loss, jit_compile=jit)
    model.optimizer.build(model.trainable_variables)
    if config.average:  # Until the first step, which loss scaling may leave out.
        averages = averaged_weights(model.optimizer)
        for average, weight in zip(averages, model.trainable_variables, strict=True):
            average.assign(keras.ops.copy(weight))
    return inner, model


def from_waveform(inner: keras.Model, network: Network, samples: int | None) -> keras.Model:
    """Puts the STFT before a network; the weights are shared."""
    waveform = keras.Input((samples, network.channels), name="mixture")
    stft = STFT(2 * (network.bins - 1), network.config.hop)
    return keras.Model(waveform, inner(Magnitude()(stft(waveform))))


def waveform_loss(network: Network) -> MagnitudeMSE:
    """Gives the loss of a network's magnitudes against target waveforms."""
    return MagnitudeMSE(2 * (network.bins - 1), network.config.hop)


def averaged_weights(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Gives the averages that an optimizer keeps of the trainable weights, in their order."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer._model_variables_moving_average


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Gives the batch normalisation layers of a model and of the models inside it."""
    nested = [batch_norms(layer) for layer in model.layers if isinstance(layer, keras.Model)]
    own = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    return sum(nested, own)


def _optimizer(config):
    rate = config.learning_rate
    if config.schedule == "cosine":
        total = config.epochs * config.steps
        rate = keras.optimizers.schedules.CosineDecay(rate, total)
    kinds = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    optimizer = kinds[config.optimizer](
        rate,
        global_clipnorm=config.clip or None,
        use_ema=config.average,
        ema_momentum=1 - 1 / max(config.steps, 2),
    )
    if config.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
