"""The engine "litert": a `.tflite` file in LiteRT with XNNPACK, without TensorFlow or Keras."""

import os
from pathlib import Path

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.separation.engines.engine import Engine
from keras_mmdense.separation.model_card import TFLITE_CARD, ModelCard
from keras_mmdense.utils.quiet import quiet_stderr


def tflite_engine(path: Path, threads: int | None = None) -> Engine:
    """Load a `.tflite` file that `export tflite` wrote.

    Args:
        path: The file.
        threads: Threads of the interpreter; None for `usable_cores`.

    Returns:
        The engine; its windows have the size that the file was made for.

    Raises:
        InputError: If ai-edge-litert is missing, or the file is damaged, has no card or does not
            fit it.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            f'{path}: a .tflite file needs ai-edge-litert: pip install "keras-mmdense[export]"'
        ) from error
    card = ModelCard.from_json(_metadata(path), str(path))
    try:
        with quiet_stderr():  # LiteRT says there that it made its delegate
            interpreter = Interpreter(str(path), num_threads=threads or usable_cores())
            interpreter.allocate_tensors()
            runner = interpreter.get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(f"{path}: TFLite cannot run it: {reason}") from error
    if list(inputs) != ["waveform"]:
        raise InputError(f"{path}: takes {', '.join(inputs)}; expected a graph from a waveform")
    if missing := sorted(set(card.stems) - set(outputs)):
        raise InputError(f"{path}: gives no {missing[0]}, which its card names")
    shape = tuple(inputs["waveform"]["shape"].tolist())
    expected = (1, card.window + 2 * card.context, card.channels)
    if shape != expected:
        raise InputError(f"{path}: takes waveforms {shape}, but its card says {expected}")

    def run(waveforms: np.ndarray) -> np.ndarray:
        found = [runner(waveform=waveform[None].astype("float32")) for waveform in waveforms]
        return np.stack([[stems[stem][0] for stem in card.stems] for stems in found])

    return Engine("litert", card, run)


def usable_cores() -> int:
    """Count the cores that this process may use; `OMP_NUM_THREADS` says otherwise, as elsewhere."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _metadata(path: Path) -> str:
    """The model card in a TFLite file."""
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise InputError(f"{path}: not a .tflite file")
    try:
        model = schema.Model.GetRootAs(content)
        for index in range(model.MetadataLength()):
            entry = model.Metadata(index)
            if entry.Name() == TFLITE_CARD.encode():
                return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
    except Exception as error:  # the reader checks no offsets: struct, index, type errors
        raise InputError(f"{path}: a damaged .tflite file") from error
    raise InputError(f"{path}: has no model card ({TFLITE_CARD}); export it with keras-mmdense")
