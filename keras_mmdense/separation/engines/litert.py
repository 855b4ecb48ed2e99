"""The engine "litert": a `.tflite` file in LiteRT with XNNPACK, without TensorFlow or Keras."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.separation.engines.engine import Engine, Run
from keras_mmdense.separation.model_card import TFLITE_CARD, TFLITE_SILENCE, ModelCard
from keras_mmdense.separation.silence import unpack
from keras_mmdense.utils.quiet import quiet_stderr

Details = Mapping[str, Mapping[str, Any]]


def tflite_engine(path: Path, threads: int | None = None) -> Engine:
    """Load a `.tflite` file that `export tflite` wrote.

    Args:
        path: The file.
        threads: Threads of the interpreter; None for `usable_cores`.

    Returns:
        The engine; its windows have the size that the file was made for.

    Raises:
        InputError: If ai-edge-litert is missing, or the file is damaged, has no card or contradicts
            its card.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            f'{path}: a .tflite file needs ai-edge-litert: pip install "keras-mmdense[export]"'
        ) from error
    recipe = tflite_engine, (path, threads)
    metadata = _metadata(path)
    card = _card(metadata, path)
    try:
        with quiet_stderr():  # LiteRT logs there that it created its delegate
            interpreter = Interpreter(str(path), num_threads=threads or usable_cores())
            interpreter.allocate_tensors()
            signature = interpreter.get_signature_runner()
        inputs, outputs = signature.get_input_details(), signature.get_output_details()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(f"{path}: TFLite cannot run it: {reason}") from error
    shapes = {name: tuple(x["shape"].tolist()) for name, x in inputs.items()}
    _check_signature(path, card, shapes, set(outputs))
    del shapes["waveform"]
    graph = _Graph(interpreter, inputs, outputs)
    if shapes or TFLITE_SILENCE in metadata:
        try:
            silence = unpack(metadata[TFLITE_SILENCE], shapes)
        except Exception as error:  # damaged bytes: struct, JSON, key and value errors
            raise InputError(f"{path}: a damaged .tflite file") from error
        return Engine("litert", card, lambda: _stepwise(graph, card.stems, silence), recipe=recipe)

    def run(waveforms: np.ndarray) -> np.ndarray:
        found = [graph.run(waveform[None], card.stems, {}) for waveform in waveforms]
        return np.concatenate(found)

    return Engine("litert", card, lambda: run, recipe=recipe)


class _Graph:
    """A graph whose tensors threads share, so that they take turns.

    Args:
        interpreter: Its interpreter.
        inputs: Details of its inputs by name.
        outputs: Details of its outputs by name.
    """

    def __init__(self, interpreter: Any, inputs: Details, outputs: Details):
        self._interpreter, self._lock = interpreter, threading.Lock()
        self._inputs = {name: x["index"] for name, x in inputs.items()}
        self._outputs = {name: x["index"] for name, x in outputs.items()}

    def run(
        self, waveform: np.ndarray, stems: Sequence[str], memory: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Run the graph.

        Args:
            waveform: The input, (1, samples, channels).
            stems: Names of the outputs to return.
            memory: What is remembered by name; what to remember next replaces it in place.

        Returns:
            The stems, (1, stems, samples, channels), float32.
        """
        with self._lock:
            for name, value in {"waveform": np.asarray(waveform, "float32"), **memory}.items():
                self._interpreter.set_tensor(self._inputs[name], value)
            self._interpreter.invoke()
            for name, value in memory.items():
                np.copyto(value, self._view(name))
            return np.stack([self._view(stem) for stem in stems], axis=1)

    def _view(self, name: str) -> np.ndarray:
        """An output's own memory, which must be let go before the next run."""
        return self._interpreter.tensor(self._outputs[name])()


def _stepwise(graph: _Graph, stems: Sequence[str], silence: dict[str, np.ndarray]) -> Run:
    memory = {name: np.array(value) for name, value in silence.items()}
    return lambda waveform: graph.run(waveform, stems, memory)


def _check_signature(
    path: Path, card: ModelCard, inputs: dict[str, tuple[int, ...]], outputs: set[str]
) -> None:
    memory = set(inputs) - {"waveform"}
    if "waveform" not in inputs or bool(memory) != bool(card.delay):
        raise InputError(f"{path}: takes {', '.join(inputs)}; expected a graph from a waveform")
    if missing := sorted({*card.stems, *memory} - outputs):
        raise InputError(f"{path}: has no output {missing[0]}, which its card names")
    expected = (1, card.window + 2 * card.context, card.channels)
    if inputs["waveform"] != expected:
        raise InputError(
            f"{path}: takes waveforms {inputs['waveform']}, but its card says {expected}"
        )


def usable_cores() -> int:
    """Count the cores that this process may use; `OMP_NUM_THREADS` says otherwise, as elsewhere."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def read_card(path: Path) -> ModelCard:
    """Read the model card of a `.tflite` file, without loading its graph.

    Args:
        path: The file.

    Returns:
        The card in its metadata.

    Raises:
        InputError: If the file is damaged or has no card.
        ImportError: If ai-edge-litert is not installed.
    """
    return _card(_metadata(path), path)


def _card(metadata: dict[str, bytes], path: Path) -> ModelCard:
    return ModelCard.from_json(metadata[TFLITE_CARD].decode(errors="replace"), str(path))


def _metadata(path: Path) -> dict[str, bytes]:
    """The metadata of a TFLite file, among it the model card."""
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise InputError(f"{path}: not a .tflite file")
    try:
        model, metadata = schema.Model.GetRootAs(content), {}
        for index in range(model.MetadataLength()):
            entry = model.Metadata(index)
            name = entry.Name().decode()
            if name in (TFLITE_CARD, TFLITE_SILENCE):
                metadata[name] = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    except Exception as error:  # the reader checks no offsets: struct, index, type errors
        raise InputError(f"{path}: a damaged .tflite file") from error
    if TFLITE_CARD in metadata:
        return metadata
    raise InputError(f"{path}: has no model card ({TFLITE_CARD}); export it with keras-mmdense")
