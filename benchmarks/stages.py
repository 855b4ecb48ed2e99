"""Where the time of a `.tflite` file goes: python benchmarks/stages.py [FILE] [--threads 2].

Cuts the graph after its magnitude, its networks and its Wiener filter, and measures the CPU seconds
of each part by difference, for a second of audio that is kept. FILE is the default network's by
default. The minimum of many passes counts, as other processes only ever add to it.
"""

import argparse
import os
import time
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.separation.engines.compiled import find_compiled
from keras_mmdense.separation.engines.litert import tflite_engine
from keras_mmdense.utils.quiet import quiet_stderr

PASSES = 25
NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if type(code) is int}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="A file of `export tflite`.")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    path = options.file or find_compiled(DEFAULT)
    if path is None:
        raise SystemExit(f"{DEFAULT} has no .tflite file; `separate` in TensorFlow makes it")
    content, card = path.read_bytes(), tflite_engine(path).card
    kept = card.window / card.sample_rate
    context = card.context / card.sample_rate
    print(f"{path.name}: {kept:.2f} s of music from {kept + 2 * context:.2f} s")
    stages = ends(content)
    parts = [content if end is None else cut(content, end) for end in stages.values()]
    times = cpu_seconds(parts, options.threads)
    before, total = 0.0, times[-1]
    for name, until in zip(stages, times, strict=True):
        spent = max(0.0, until - before)
        before = max(before, until)
        print(f"{name:16}{spent / kept:8.4f} s{100 * spent / total:6.0f} %")
    print(f"{'together':16}{total / kept:8.4f} s, load {os.getloadavg()[0]:.1f}")


def ends(content):
    """Number of the last operator of every stage; None is the last one of all."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    codes = [model.operatorCodes[x.opcodeIndex] for x in model.subgraphs[0].operators]
    kinds = [NAMES[max(x.builtinCode, x.deprecatedBuiltinCode)] for x in codes]
    masks = [i for i, kind in enumerate(kinds) if kind == "LOGISTIC"]
    # The inverse STFT pads its spectra; the filter joins both channels before.
    padded = max(i for i, kind in enumerate(kinds) if kind == "PAD")
    filtered = [i for i, kind in enumerate(kinds[:padded]) if kind == "CONCATENATION"]
    return {
        "STFT, magnitude": kinds.index("SQRT"),
        "networks": masks[-1],
        "Wiener filter": filtered[-1],
        "inverse STFT": None,
    }


def cut(content, end):
    """The graph up to one operator, which gives all that the others take from it."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    taken = {i for operator in graph.operators[end + 1 :] for i in operator.inputs}
    graph.operators = graph.operators[: end + 1]
    made = [i for operator in graph.operators for i in operator.outputs]
    graph.outputs = np.array([i for i in made if i in taken], np.int32)
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def cpu_seconds(contents, threads):
    """CPU seconds of a pass of each graph; they take turns, as the machine's rate drifts."""
    interpreters = [load(content, threads) for content in contents]
    best = [float("inf")] * len(contents)
    for _ in range(PASSES):
        for i, interpreter in enumerate(interpreters):
            start = time.process_time()
            interpreter.invoke()
            best[i] = min(best[i], time.process_time() - start)
    return best


def load(content, threads):
    """An interpreter with noise at its inputs."""
    with quiet_stderr():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for entry in interpreter.get_input_details():
        noise = 0.1 * rng.standard_normal(entry["shape"])
        interpreter.set_tensor(entry["index"], noise.astype("float32"))
    return interpreter


if __name__ == "__main__":
    main()
