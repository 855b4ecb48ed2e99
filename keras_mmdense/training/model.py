"""Compiled models for `fit`, built from settings."""

import keras
from keras import ops

from keras_mmdense.errors import InputError
from keras_mmdense.layers.magnitude import Magnitude
from keras_mmdense.layers.sources import FillUp, Rest
from keras_mmdense.layers.stft import STFT
from keras_mmdense.layers.wiener import WienerFilter, ratio_mask
from keras_mmdense.models.precision import dtype_policy
from keras_mmdense.models.registry import model_config
from keras_mmdense.pretrained.networks import NetworkSpec, load_network
from keras_mmdense.stems import rest_name
from keras_mmdense.training.config import TrainConfig
from keras_mmdense.training.losses import LOSSES

MUON_KERAS = (3, 13)


def network_of(config: TrainConfig) -> NetworkSpec:
    """Return the spec of the network that settings train."""
    return NetworkSpec(model_config(config.model), tuple(config.targets))


def chunk_samples(config: TrainConfig, spec: NetworkSpec) -> int:
    """Return the length of a training chunk in samples."""
    return (config.frames - 1) * spec.config.hop


def compiled_model(config: TrainConfig, spec: NetworkSpec) -> tuple[keras.Model, keras.Model]:
    """Build a network, prepend the STFT and compile the two.

    Args:
        config: Precision, devices, optimizer and length of chunks.
        spec: Spec of the network.

    Returns:
        The network, magnitude in and magnitude out, and the model that is trained, from waveforms
        (batch, samples, channels) to magnitudes. They share their weights.

    Raises:
        InputError: If gradients are to be clipped on several devices in TensorFlow, where Keras
            would clip those of each device separately.
    """
    with dtype_policy(config.precision):
        inner = spec.build()
    if config.devices > 1 and keras.backend.backend() == "tensorflow":
        if config.clip:
            raise InputError("clip on several devices needs the backend jax, received tensorflow")
        for layer in batch_norms(inner):
            layer.synchronized = True
    loss = waveform_loss(config, spec)
    model = from_waveform(inner, spec, chunk_samples(config, spec), loss.domain)
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(optimizer=_optimizer(config), loss=loss, jit_compile=jit)
    model.optimizer.build(model.trainable_variables)
    _start_averages(config, model)
    return inner, model


def start_from(config: TrainConfig, inner: keras.Model, model: keras.Model) -> None:
    """Copy the weights of a trained network into a new one.

    Args:
        config: Names the trained network. Layers whose shapes differ, after the branches of a
            network for other targets, keep their random weights.
        inner: The network.
        model: The model that is trained, see `compiled_model`.

    Raises:
        InputError: If there is no such network, or it has another table.
    """
    spec, trained = load_network(config.init)
    if spec.config != network_of(config).config:
        raise InputError(f"{config.init}: a network with another table than {config.model}")
    for layer in [layer for layer in inner.layers if layer.weights]:
        values = trained.get_layer(layer.name).get_weights()
        if [x.shape for x in values] == [tuple(x.shape) for x in layer.weights]:
            layer.set_weights(values)
    _start_averages(config, model)


def _start_averages(config: TrainConfig, model: keras.Model) -> None:
    if config.average:  # Until the first step, which loss scaling may leave out.
        averages = averaged_weights(model.optimizer)
        for average, weight in zip(averages, model.trainable_variables, strict=True):
            average.assign(keras.ops.copy(weight))


def from_waveform(
    inner: keras.Model, spec: NetworkSpec, samples: int | None, domain: str = "magnitude"
) -> keras.Model:
    """Prepend the STFT to a network; the weights are shared.

    Args:
        inner: The network.
        spec: Its spec.
        samples: Length of the waveforms in samples, or None for any.
        domain: What the model returns: "magnitude"; "complex", the magnitudes with the mixture's
            phase; "shared", the mixture shared by the ratio of the magnitudes, with the rest as one
            more source; or "filtered", what the Wiener filter makes of the magnitudes. All but the
            first are (batch, sources, frames, bins, 2 * channels): real parts, then imaginary ones.

    Returns:
        A model from waveforms (batch, samples, channels) to spectrograms.
    """
    waveform = keras.Input((samples, spec.channels), name="mixture")
    real, imag = STFT(2 * (spec.bins - 1), spec.config.hop)(waveform)
    mixture = Magnitude()([real, imag])
    estimate = inner(mixture)
    if domain == "magnitude":
        return keras.Model(waveform, estimate)
    if len(spec.targets) == 1:
        estimate = ops.expand_dims(estimate, 1)
    if domain in ("shared", "filtered"):
        every = Rest()([estimate, mixture]) if rest_name(spec.targets) else estimate
        inputs = FillUp()([every, mixture]), real, imag
        if domain == "shared":
            parts = list(ratio_mask(*inputs))
        else:
            parts = [x[:, : len(spec.targets)] for x in WienerFilter()(inputs)]
    else:
        gain = estimate / ops.expand_dims(ops.maximum(mixture, 1e-12), 1)
        parts = [gain * ops.expand_dims(x, 1) for x in (real, imag)]
    return keras.Model(waveform, ops.concatenate(parts, axis=-1))


def waveform_loss(config: TrainConfig, spec: NetworkSpec) -> keras.losses.Loss:
    """Return the loss that settings name, of a network's estimates against target waveforms."""
    return LOSSES[config.loss](2 * (spec.bins - 1), spec.config.hop)


def averaged_weights(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return an optimizer's averages of the trainable weights, in their order."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer._model_variables_moving_average


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return the batch normalization layers of a model, those of nested models included."""
    nested = [batch_norms(layer) for layer in model.layers if isinstance(layer, keras.Model)]
    own = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    return sum(nested, own)


def _optimizer(config: TrainConfig) -> keras.optimizers.Optimizer:
    rate = config.learning_rate
    if config.schedule == "cosine":
        total = config.epochs * config.steps
        rate = keras.optimizers.schedules.CosineDecay(rate, total)
    optimizer = _optimizer_class(config.optimizer)(
        rate,
        global_clipnorm=config.clip or None,
        use_ema=config.average,
        ema_momentum=1 - 1 / max(config.steps, 2),
    )
    if config.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _optimizer_class(name: str) -> type[keras.optimizers.Optimizer]:
    if name == "muon":
        if tuple(map(int, keras.__version__.split(".")[:2])) < MUON_KERAS:
            found, needed = keras.__version__, ".".join(map(str, MUON_KERAS))
            raise InputError(f"optimizer muon needs Keras {needed} or newer, found {found}")
        from keras_mmdense.training.optimizers import Muon

        return Muon
    return {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[name]
