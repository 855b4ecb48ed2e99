"""Weights of a TFLite file in fewer bits."""

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from keras_mmdense.exporting.tflite.flatbuffer import Table, kind_of, read, write

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
SMALL = 128
# The matrices of the FFT have fewer elements.
DENSE = 2048
# Versions of the operators that take 8-bit weights with a scale for each map.
VERSIONS = {"CONV_2D": 5, "FULLY_CONNECTED": 12}
LARGEST = 127


def weight_types(content: bytes) -> dict[str, int]:
    """Count the bytes of a file's constants by type, such as {"FLOAT16": 676704}."""
    model = read(content)
    names = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
    types: dict[str, int] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None:
                name = names[tensor.type]
                types[name] = types.get(name, 0) + len(data)
    return types


def narrow_weights(content: bytes) -> bytes:
    """Store the weights of convolutions as float16, converted when an interpreter loads the file.

    Everything else is kept: the converter would also convert the windows of the STFT, and round
    the Wiener filter's floor of 1e-20 to zero.
    """
    model = read(content)
    graph = model.subgraphs[0]
    weights = {
        int(index)
        for operator in graph.operators
        for index in operator.inputs[1:]
        if kind_of(model.operatorCodes[operator.opcodeIndex]) in CONVOLUTIONS
    }
    model.operatorCodes.append(schema.OperatorCodeT())
    code = model.operatorCodes[-1]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3
    first = []
    for index in sorted(weights):
        values = _values(model, graph.tensors[index])
        if values is not None and values.nbytes > SMALL:
            first.append(_widening(model, graph, index, values.astype(np.float16)))
    graph.operators = [*first, *graph.operators]
    return write(model)


def integer_weights(content: bytes) -> bytes:
    """Store weights as 8-bit integers with a scale for each map; interpreters round inputs, too.

    These are the weights of convolutions after a batch norm, whose maps `merge_batch_norm` brings
    to one range, and those of dense layers. The converter would also round the matrices of the FFT.
    """
    model = read(content)
    kinds = [kind_of(code) for code in model.operatorCodes]
    for kind, code in zip(kinds, model.operatorCodes, strict=True):
        code.version = max(code.version, VERSIONS.get(kind, 0))
    for graph in model.subgraphs:
        makers = {int(x): kinds[o.opcodeIndex] for o in graph.operators for x in o.outputs}
        rounded: dict[int, int] = {}
        for operator in graph.operators:
            kind = kinds[operator.opcodeIndex]
            if kind not in VERSIONS:
                continue
            entry, index, *rest = map(int, operator.inputs)
            values = _values(model, graph.tensors[index])
            after_norm = makers.get(entry) == "DEPTHWISE_CONV_2D"
            if values is None or not (after_norm if kind == "CONV_2D" else values.size >= DENSE):
                continue
            if index not in rounded:
                rounded[index] = _rounded(model, graph, values)
            operator.inputs = np.array([entry, rounded[index], *rest], np.int32)
            if kind == "FULLY_CONNECTED":  # a convolution always does
                operator.builtinOptions.asymmetricQuantizeInputs = True
    return write(model)


def _values(model: Table, tensor: Table) -> np.ndarray | None:
    """The float32 values of a constant tensor, None for any other tensor."""
    data = model.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT32 or data is None:
        return None
    return np.asarray(data.view(np.float32).reshape(tensor.shape))


def _rounded(model: Table, graph: Table, values: np.ndarray) -> int:
    """Add a tensor of 8-bit integers with a scale for each row; return its number."""
    most = np.abs(values.reshape(len(values), -1)).max(axis=1)
    scale = np.where(most > 0, most / LARGEST, 1).astype(np.float32)
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = scale, np.zeros(len(scale), np.int64)
    quantization.quantizedDimension = 0
    integers = np.rint(values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
    number = _add(model, graph, integers, schema.TensorType.INT8)
    graph.tensors[number].quantization = quantization
    return number


def _widening(model: Table, graph: Table, index: int, values: np.ndarray) -> Table:
    """Return the operator that fills tensor `index` with float16 values."""
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    narrow = _add(model, graph, values, schema.TensorType.FLOAT16)
    graph.tensors[index].buffer = 0
    operator.inputs = np.array([narrow], np.int32)
    operator.outputs = np.array([index], np.int32)
    return operator


def _add(model: Table, graph: Table, values: np.ndarray, kind: int) -> int:
    """Add a constant tensor; return its number."""
    tensor, buffer = schema.TensorT(), schema.BufferT()
    tensor.shape, tensor.type, tensor.hasRank = list(values.shape), kind, True
    buffer.data = values.reshape(-1).view(np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
