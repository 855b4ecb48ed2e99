"""Other engines beside LiteRT: python benchmarks/engines.py [--rounds 9].

Exports a network with windows of 12 s, and runs one of them in LiteRT, in OpenVINO, which reads
`.tflite` files, and in ONNX Runtime after tf2onnx, in turns with two threads; in OpenVINO in
bfloat16, too, if the processor has it. Prints the median times and how far the stems are apart.
Needs

    pip install openvino onnxruntime tf2onnx
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnxruntime
import openvino
import tf2onnx.convert
from ai_edge_litert.interpreter import Interpreter

from keras_mmdense.exporting.tflite import flatbuffer
from keras_mmdense.exporting.tflite.export import export_tflite
from keras_mmdense.pretrained.catalog import DEFAULT

SECONDS, THREADS = 12, 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.tflite"
        export_tflite([options.model], file, seconds=SECONDS)
        name_tensors(file)
        engines = {"LiteRT": in_litert(file), "OpenVINO": in_openvino(file, "f32")}
        if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            engines["in bfloat16"] = in_openvino(file, "bf16")
        engines["ONNX Runtime"] = in_onnx(file)
        measure(engines, options.rounds)


def measure(engines, rounds):
    shape = engines["LiteRT"].shape
    waveform = (0.1 * np.random.default_rng(0).standard_normal(shape)).astype("float32")
    stems = {name: run(waveform) for name, run in engines.items()}  # Warms up.
    times = {name: [] for name in engines}
    for _ in range(rounds):
        for name, run in engines.items():
            start = time.perf_counter()
            run(waveform)
            times[name].append(time.perf_counter() - start)
    for name, values in times.items():
        apart = max(np.abs(x - y).max() for x, y in zip(stems[name], stems["LiteRT"], strict=True))
        median = statistics.median(values)
        ratio = median / statistics.median(times["LiteRT"])
        print(f"{name:13}{median:7.3f} s, {ratio:.2f} of LiteRT's, stems differ by {apart:.0e}")


def name_tensors(file):
    """Give the tensors names, which OpenVINO and tf2onnx require and exports leave out."""
    model = flatbuffer.read(file.read_bytes())
    for graph in model.subgraphs:
        for number, tensor in enumerate(graph.tensors):
            tensor.name = b"t%d" % number
    file.write_bytes(flatbuffer.write(model))


def in_litert(file):
    interpreter = Interpreter(str(file), num_threads=THREADS)
    interpreter.allocate_tensors()
    (given,), found = interpreter.get_input_details(), interpreter.get_output_details()

    def run(waveform):
        interpreter.set_tensor(given["index"], waveform)
        interpreter.invoke()
        return [interpreter.get_tensor(x["index"]) for x in found]

    run.shape = tuple(given["shape"])
    return run


def in_openvino(file, precision):
    settings = {"INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": precision}
    request = openvino.Core().compile_model(file, "CPU", settings).create_infer_request()
    return lambda waveform: [np.array(x) for x in request.infer([waveform]).values()]


def in_onnx(file):
    path = file.with_suffix(".onnx")
    tf2onnx.convert.from_tflite(str(file), opset=17, output_path=str(path))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda waveform: session.run(None, {given.name: waveform})


if __name__ == "__main__":
    main()
