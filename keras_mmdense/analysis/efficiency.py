"""Costs of networks: parameters, multiply-adds and training time, compared as in the paper."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from keras_mmdense.analysis.run_folders import Training
from keras_mmdense.configs import BlendConfig
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.registry import list_models, model_config, parameters
from keras_mmdense.pretrained.networks import NetworkSpec

if TYPE_CHECKING:
    from rich.table import Table

REFERENCE = "blend"
FRAMES = 64  # a multiple of every network's coarsest scale, for an exact count per frame
CONVOLUTIONS = (layers.Conv1D, layers.Conv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose)
COLUMNS: dict[str, Callable[[float], str]] = {
    "parameters": "{:,}".format,
    "multiply_adds": lambda value: f"{value / 1e9:.3f}",
    "training": lambda value: f"{3600 * value:,.0f}",
}
CELLS = (layers.LSTM, layers.GRU, layers.SimpleRNN)


@dataclasses.dataclass(frozen=True)
class Cost:
    """Costs of a network.

    Attributes:
        name: Name of the network, with that of the run if its table is not in the zoo.
        parameters: Number of trainable parameters.
        multiply_adds: Multiply-adds per second of audio.
        training: Seconds of training per second of audio seen, None if not known.
    """

    name: str
    parameters: int
    multiply_adds: float
    training: float | None = None


def multiply_adds(model: keras.Model, frames: int = FRAMES) -> int:
    """Count the multiply-adds of a network by walking its graph.

    The count includes the matrix products of convolutions, dense and recurrent layers, also at the
    edges, as in TensorFlow's profiler; it excludes batch norm, biases, activations and pooling.

    Args:
        model: Functional model from (batch, frames, bins, channels), with or without nested models.
        frames: Frames of the input. Defaults to `64`.

    Returns:
        Multiply-adds of one example with that many frames.

    Raises:
        ValueError: If a layer with weights has an unknown type, or a size is undefined.
    """
    _, _, *sizes = model.input_shape
    inputs = keras.Input(batch_shape=(1, frames, *sizes), dtype=model.input_dtype)
    return _walk(model, inputs)


def efficiency(trainings: Sequence[Training] = ()) -> list[Cost]:
    """Compute the costs of the zoo's networks, for one stereo source, and of trained ones.

    The training time of a network of the zoo is that of its runs: all seconds divided by all audio
    seen. That of a blend without a run is the sum of its parts. A run of any other network, or of
    more than one source, is an additional entry.

    Args:
        trainings: Results of `read_training` for folders that `train` wrote. Defaults to `()`.

    Returns:
        One entry per network.

    Section 4 of the paper compares its networks with the baseline BLEND in this way.
    """
    networks = {name: NetworkSpec(model_config(name), ("vocals",)) for name in list_models()}
    for training in trainings:
        if not any(_alike(training.spec, spec) for spec in networks.values()):
            networks[f"{training.spec.config.name} ({training.name})"] = training.spec
    costs = []
    for name, spec in networks.items():
        model = spec.build()
        speed = _training(spec, trainings)
        costs.append(Cost(name, parameters(model), per_second(spec, model), speed))
    return costs


def efficiency_table(costs: Sequence[Cost]) -> Table:
    """Format costs as a rich table, relative to the network `blend` if it is included.

    Args:
        costs: Results of `efficiency`.

    Returns:
        The table, with a dash for unknown values.
    """
    from rich import box
    from rich.table import Table

    reference = next((cost for cost in costs if cost.name == REFERENCE), None)
    table = Table(
        title="What the networks cost",
        caption="multiply-adds in 10^9 for a second of audio; training in seconds for an hour"
        + (f"; % of {REFERENCE}" if reference else ""),
        box=box.SIMPLE_HEAD,
    )
    table.add_column("network")
    for column in ("parameters", "multiply-adds", "training"):
        table.add_column(column, justify="right")
        if reference:
            table.add_column("%", justify="right")
    for cost in costs:
        cells = []
        for field, text in COLUMNS.items():
            value = getattr(cost, field)
            cells.append("-" if value is None else text(value))
            if reference:
                cells.append(_percent(value, getattr(reference, field)))
        table.add_row(cost.name, *cells)
    return table


def per_second(spec: NetworkSpec, model: keras.Model) -> float:
    """Count the multiply-adds of a network per second of audio, at its sample rate and hop.

    Args:
        spec: Spec of the network.
        model: The network.

    Returns:
        Multiply-adds per second.
    """
    frames_per_second = spec.config.sample_rate / spec.config.hop
    return multiply_adds(model) / FRAMES * frames_per_second


def _alike(one: NetworkSpec, other: NetworkSpec) -> bool:
    """Return whether two networks are equal except for the names of their targets."""
    renamed = dataclasses.replace(one, targets=other.targets)
    return len(one.targets) == len(other.targets) and renamed == other


def _training(spec: NetworkSpec, trainings: Sequence[Training]) -> float | None:
    """Return seconds of training per second of audio: the network's, or the sum of its parts'."""
    own = [one for one in trainings if one.seconds and _alike(one.spec, spec)]
    if heard := sum(one.audio_seconds or 0 for one in own):
        return sum(one.seconds or 0 for one in own) / heard
    if isinstance(spec.config, BlendConfig):
        tables = (spec.config.first, spec.config.second)
        parts = [_training(dataclasses.replace(spec, config=one), trainings) for one in tables]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None
    return None


def _percent(value: float | None, reference: float | None) -> str:
    return "-" if value is None or not reference else f"{100 * value / reference:.1f}"


def _walk(model: keras.Model, inputs: Tensor) -> int:
    total = 0

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        nonlocal total
        outputs = layer(*args, **kwargs)
        total += _count(layer, args[0] if args else None, outputs)
        return outputs

    keras.models.clone_model(model, input_tensors=inputs, call_function=call)
    return total


def _count(layer: keras.Layer, inputs: Tensor, outputs: Tensor) -> int:
    """Count the multiply-adds of a call of a layer."""
    if isinstance(layer, keras.Model):
        return _walk(layer, inputs)
    if isinstance(layer, TRANSPOSED):
        return _positions(inputs) * math.prod(layer.kernel.shape)
    if isinstance(layer, (*CONVOLUTIONS, layers.Dense)):
        return _positions(outputs) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Bidirectional):
        return sum(_count(one, inputs, None) for one in (layer.forward_layer, layer.backward_layer))
    if isinstance(layer, CELLS):
        kernels = (layer.cell.kernel, layer.cell.recurrent_kernel)
        return _positions(inputs) * sum(math.prod(kernel.shape) for kernel in kernels)
    normalizing = isinstance(layer, layers.BatchNormalization | layers.LayerNormalization)
    if getattr(layer, "weights", None) and not normalizing:
        raise ValueError(f"no count for {type(layer).__name__}, layer {layer.name!r}")
    return 0


def _positions(tensor: Tensor) -> int:
    """Count the vectors of maps in a tensor."""
    if None in tensor.shape:
        raise ValueError(f"undefined size in the graph, received shape {tensor.shape}")
    return math.prod(tensor.shape[:-1])
