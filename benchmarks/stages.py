"""Where the time of a `.tflite` file goes: python benchmarks/stages.py [FILE] [--assert].

Measures, for a second of audio that is kept, the CPU seconds of the operators that the magnitude
needs, those that the networks' masks need besides, and so on, each as a graph of its own. What is
left remembers frames for the next step and gives the stems. FILE is the default network's by
default. The minimum of many passes counts, as other processes only ever add to it. With --assert it
fails unless the STFT and its inverse take less than a tenth.
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
    parser.add_argument("--assert", dest="check", action="store_true")
    options = parser.parse_args()
    path = options.file or find_compiled(DEFAULT)
    if path is None:
        raise SystemExit(f"{DEFAULT} has no .tflite file; `separate` in TensorFlow makes it")
    content, card = path.read_bytes(), tflite_engine(path).card
    kept = card.window / card.sample_rate
    context = card.context / card.sample_rate
    seconds = f"{kept:.2f} s of music from {kept + 2 * context:.2f} s"
    print(f"{path.name}, {card.precision}: {seconds}")
    stages = stages_of(content)
    parts = cpu_seconds([cut(content, x) for x in stages.values()], options.threads)
    spent = dict(zip(stages, parts, strict=True))
    for name, seconds in spent.items():
        print(f"{name:16}{seconds / kept:8.4f} s{100 * seconds / sum(parts):6.1f} %")
    whole = cpu_seconds([content], options.threads)[0]
    print(f"{'together':16}{sum(parts) / kept:8.4f} s, load {os.getloadavg()[0]:.1f}")
    print(f"{'as one graph':16}{whole / kept:8.4f} s")
    share = (spent["STFT, magnitude"] + spent["inverse STFT"]) / sum(parts)
    if options.check and share >= 0.1:
        raise SystemExit(f"the STFT and its inverse take {100 * share:.1f} %")


def stages_of(content):
    """Numbers of the operators of every stage."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    operators = model.subgraphs[0].operators
    codes = [model.operatorCodes[x.opcodeIndex] for x in operators]
    kinds = [NAMES[max(x.builtinCode, x.deprecatedBuiltinCode)] for x in codes]
    masks = [i for i, kind in enumerate(kinds) if kind == "LOGISTIC"]
    # The inverse STFT pads real and imaginary part, and ends with a transposition.
    pads = [i for i, kind in enumerate(kinds) if kind == "PAD"][-2:]
    last = max(i for i, kind in enumerate(kinds) if kind == "TRANSPOSE")
    makers = makers_of(operators)
    ends = {
        "STFT, magnitude": [i for i in before(operators, masks) if kinds[i] == "SQRT"],
        "networks": masks,
        "Wiener filter": [makers[operators[i].inputs[0]] for i in pads],
        "inverse STFT": [last],
        "memories, stems": range(len(operators)),
    }
    stages, done = {}, set()
    for name, numbers in ends.items():
        stages[name] = [i for i in before(operators, numbers) if i not in done]
        done.update(stages[name])
    return stages


def makers_of(operators):
    """The number of the operator that makes each tensor."""
    return {tensor: i for i, x in enumerate(operators) for tensor in x.outputs}


def before(operators, ends):
    """Numbers of operators and of all whose output they need."""
    makers = makers_of(operators)
    needed, waiting = set(), list(ends)
    while waiting:
        number = waiting.pop()
        if number not in needed:
            needed.add(number)
            waiting += [makers[x] for x in operators[number].inputs if x in makers]
    return sorted(needed)


def cut(content, numbers):
    """The graph of some operators, which gives all that they make."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    others = [x for i, x in enumerate(graph.operators) if i not in numbers]
    graph.operators = [graph.operators[i] for i in numbers]
    made = {x for operator in graph.operators for x in operator.outputs}
    taken = {x for operator in graph.operators for x in operator.inputs} - made
    given = {x for operator in others for x in operator.inputs} | set(graph.outputs)
    constant = {i for i, x in enumerate(graph.tensors) if model.buffers[x.buffer].data is not None}
    graph.inputs = np.array(sorted(taken - constant - {-1}), np.int32)
    graph.outputs = np.array(sorted(made & given), np.int32)
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
    """An interpreter with noise above 0, as magnitudes are, at its inputs."""
    with quiet_stderr():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], rng.random(entry["shape"], "float32"))
    return interpreter


if __name__ == "__main__":
    main()
