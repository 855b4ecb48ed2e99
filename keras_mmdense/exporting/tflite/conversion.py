"""Conversion of a graph to TFLite's builtin operators."""

import dataclasses
import tempfile
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_mmdense.configs import DenseNetConfig
from keras_mmdense.errors import InputError
from keras_mmdense.exporting.source import Source
from keras_mmdense.exporting.tflite.weights import integer_weights, narrow_weights
from keras_mmdense.layers.sources import last_source
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec
from keras_mmdense.separation.graph import separation_model
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.silence import pack
from keras_mmdense.separation.stepwise_graph import after_silence, memories, stepwise_model
from keras_mmdense.utils.quiet import quiet_stderr

# XNNPACK computes sixteen maps at a time on x86, eight on ARM.
FEW_MAPS = 7
# A map of sounds rarely exceeds its mean by more standard deviations.
DEVIATIONS = 7
# Of the largest range of a layer's maps; smaller ones count as much.
SMALLEST = 0.05


@dataclasses.dataclass(frozen=True)
class Function:
    """A graph to convert.

    Args:
        call: From tensors to a list of tensors.
        inputs: Shapes of the inputs by name; None at the axis that the file's size fixes.
        outputs: Names of the outputs.
    """

    call: Callable[..., list[tf.Tensor]]
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]


def waveform_function(source: Source, rounded: bool = False) -> Function:
    """Return the graph from waveform to stems; `rounded` if it is for `integer_weights`."""
    card = source.separator.card
    networks = _merged(source, rounded)
    graph = _apart(separation_model(networks, card, "matrices"))
    return Function(
        lambda x: graph(x, training=False),
        {"waveform": (1, None, card.channels)},
        card.stems,
    )


def steps_function(
    source: Source, card: ModelCard, rounded: bool = False
) -> tuple[Function, ModelCard, bytes]:
    """The graph from the next samples and what is remembered to stems and what to remember.

    Args:
        source: Networks that take steps.
        card: Front end and stems; `window` is the step.
        rounded: Whether it is for `integer_weights`.

    Returns:
        The function, whose memories are called `state_00` and so on, in and out; the card with the
        delay; and the memories after silence, packed.
    """
    graph, card = stepwise_model(_merged(source, rounded), card, "matrices")
    memory, apart = memories(graph), _apart(graph)

    def call(waveform: tf.Tensor, *states: tf.Tensor) -> list[tf.Tensor]:
        with keras.StatelessScope(list(zip(memory, states, strict=True))) as scope:
            stems = apart(waveform, training=False)
        return [*stems, *map(scope.get_current_value, memory)]

    states = {f"state_{i:02}": tuple(x.shape) for i, x in enumerate(memory)}
    inputs = {"waveform": (1, card.window, card.channels), **states}
    silence = pack(dict(zip(states, after_silence(graph), strict=True)))
    return Function(call, inputs, (*card.stems, *states)), card, silence


def _merged(source: Source, rounded: bool) -> list[LoadedNetwork]:
    """The networks of a source with merged batch norms, see `merge_batch_norm`.

    Silence is far from all other logarithms of magnitudes. Magnitudes themselves reach far: those
    networks are not capped.
    """
    return [
        LoadedNetwork(spec, merge_batch_norm(model, rounded and sees_logarithms(spec)))
        for spec, model in source.networks
    ]


def sees_logarithms(spec: NetworkSpec) -> bool:
    """Return whether a network takes the logarithm of the magnitude."""
    return isinstance(spec.config, DenseNetConfig) and spec.config.input == "log"


def _apart(graph: keras.Model) -> keras.Model:
    """Return a graph with one output for each stem, which are not joined and cut again."""
    sources, mixture = graph.get_layer("last_source").input
    shape = (1, -1, mixture.shape[-1])
    # Not `unstack`, which XNNPACK does not run.
    stems = [ops.reshape(sources[:, i : i + 1], shape) for i in range(sources.shape[1])]
    return keras.Model(graph.inputs, [*stems, last_source(sources, mixture)])


def network_function(source: Source, rounded: bool = False) -> Function:
    """Return the networks alone, from the mixture's magnitude to the sources'."""
    models = [model for _, model in _merged(source, rounded)]

    def call(x: tf.Tensor) -> list[tf.Tensor]:
        outputs = [model(x, training=False) for model in models]
        return [
            part for y in outputs for part in (tf.unstack(y, axis=1) if len(y.shape) == 5 else [y])
        ]

    spec = source.networks[0].spec
    stems = tuple(name for spec, _ in source.networks for name in spec.targets)
    return Function(call, {"magnitude": (1, None, spec.bins, spec.channels)}, stems)


def convert(function: Function, size: int | None, quantize: str | None) -> bytes:
    """Convert a graph with frozen variables.

    Args:
        function: The graph.
        size: Samples or frames of the input, or None for any number.
        quantize: See `export_tflite`.

    Returns:
        The file's content.
    """
    content = run(converter_of(function, size))
    if quantize == "dynamic":
        return integer_weights(content)
    return narrow_weights(content) if quantize == "float16" else content


def run(converter: tf.lite.TFLiteConverter) -> bytes:
    """Convert what `converter_of` returned.

    Raises:
        InputError: If the temporary folder cannot be written, without which a file has no
            signature.
    """
    try:
        with quiet_stderr():
            content = converter.convert()
    except ValueError:
        if converter.saved_model_dir:
            raise
    if not converter.saved_model_dir:
        raise InputError(f"{tempfile.gettempdir()}: cannot be written; is the disk full?")
    return content


def converter_of(function: Function, size: int | None) -> tf.lite.TFLiteConverter:
    """Create the converter of a graph, for builtin operators only; see `convert`."""
    specs = [
        tf.TensorSpec([size if axis is None else axis for axis in shape], tf.float32, name=name)
        for name, shape in function.inputs.items()
    ]
    live = tf.function(function.call).get_concrete_function(*specs)
    frozen = convert_variables_to_constants_v2(live)

    def named(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(function.outputs, frozen(*inputs), strict=True))

    module = tf.Module()
    # The converter looks the function up in the saved module.
    module.serving_default = tf.function(named, input_signature=specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.serving_default.get_concrete_function()], module
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter


def merge_batch_norm(model: keras.Model, capped: bool = False) -> keras.Model:
    """Copy a network, replacing each batch norm by a depthwise 1x1 convolution.

    Most of them cannot be folded into a convolution, as they follow a concatenation; the converter
    would turn each into a multiplication and an addition, two passes through memory. Before a ReLU
    and a convolution, all maps are brought to the range from 0 to 1, which the convolution undoes:
    what rounds them to 8 bits together then rounds none of them too much. A batch norm over bins is
    kept. Convolutions of few maps become `TwoBinsConv2D`.

    Args:
        model: The network.
        capped: Whether maps before a convolution end at six times their range. What goes far
            beyond it would coarsen all others, if they are rounded. Defaults to `False`.

    Returns:
        The copy.
    """
    behind = _convolutions_behind(model)

    def replace(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, keras.Model):
            return merge_batch_norm(layer, capped)
        if _over_maps(layer):
            return layers.DepthwiseConv2D(1, name=layer.name, dtype="float32")
        if _has_few_maps(layer):
            return TwoBinsConv2D.from_config(layer.get_config())
        if capped and isinstance(layer, layers.ReLU) and layer.name in behind:
            return layers.ReLU(max_value=6.0, name=layer.name)
        return type(layer).from_config(layer.get_config())

    # Without the mask argument of batch norm.
    copy = keras.models.clone_model(
        model, clone_function=replace, call_function=lambda layer, *args, **_: layer(*args)
    )
    _set_weights(copy, model, behind)
    return copy


def _set_weights(copy: keras.Model, model: keras.Model, behind: dict[str, str]) -> None:
    ranges: dict[str, np.ndarray] = {}
    for layer in copy.layers:
        if isinstance(layer, keras.Model):
            continue
        old = model.get_layer(layer.name)
        values = old.get_weights()
        if _over_maps(old):
            gamma, beta, mean, variance = values
            scale = gamma / np.sqrt(variance + old.epsilon)
            shift = beta - mean * scale
            if layer.name in behind:
                ranges[behind[layer.name]] = limits = _ranges(gamma, beta)
                scale, shift = scale / limits, shift / limits
            values = [scale.reshape(1, 1, -1, 1), shift]
        elif layer.name in ranges:
            values[0] = values[0] * ranges[layer.name][:, None]
        layer.set_weights(values)


def _convolutions_behind(model: keras.Model) -> dict[str, str]:
    """Names of the convolutions of composite layers by those of their batch norms and ReLUs."""
    names = {layer.name for layer in model.layers}
    composites = [x.removesuffix("_conv") for x in names if x.endswith("_conv")]
    return {
        f"{x}_{kind}": f"{x}_conv"
        for x in composites
        if names >= {f"{x}_bn", f"{x}_relu"}
        for kind in ("bn", "relu")
    }


def _ranges(gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """What maps rarely exceed after batch norm and ReLU."""
    limits = beta + DEVIATIONS * np.abs(gamma)
    most = limits.max()
    return np.maximum(limits, SMALLEST * most) if most > 0 else np.ones_like(limits)


class TwoBinsConv2D(layers.Conv2D):
    """A convolution of few maps that computes two neighboring bins at once, as twice the maps."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        _, frames, bins, _ = x.shape
        if frames is None:
            return super().call(x)
        first, second = (tf.pad(self.kernel, [[0, 0], [i, 1 - i], [0, 0], [0, 0]]) for i in (0, 1))
        y = tf.nn.conv2d(x, tf.concat([first, second], axis=-1), (1, 2), "SAME")
        y = tf.reshape(y, (-1, frames, 2 * y.shape[2], self.filters)) + self.bias
        return y[:, :, :bins] if bins % 2 else y


def _has_few_maps(layer: keras.Layer) -> bool:
    """Return whether a layer is a plain convolution of few maps.

    With an odd number of bins and an even kernel, two bins at once would be padded otherwise.
    """
    if type(layer) is not layers.Conv2D or layer.filters > FEW_MAPS or not layer.use_bias:
        return False
    plain = layer.activation is keras.activations.linear and layer.padding == "same"
    strides = *layer.strides, *layer.dilation_rate, layer.groups
    padded_alike = layer.input.shape[2] % 2 == 0 or layer.kernel_size[1] % 2 == 1
    return plain and set(strides) == {1} and padded_alike


def _over_maps(layer: keras.Layer) -> bool:
    """Return whether a layer is a batch norm over maps, and not over frames or bins."""
    if not isinstance(layer, layers.BatchNormalization):
        return False
    return len(layer.input.shape) == 4 and layer.axis in (-1, 3)
