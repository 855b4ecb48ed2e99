"""Reading and editing of TFLite flatbuffers, and the model card in their metadata."""

import pickle
from collections.abc import Iterable, Sequence
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from keras_mmdense.errors import InputError
from keras_mmdense.separation.model_card import TFLITE_CARD, TFLITE_SILENCE, ModelCard

STATEFUL = ("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")

Table = Any  # an object of TFLite's schema, whose module has no types

NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def operators(content: bytes) -> set[str]:
    """List the operators of a file; custom ones, such as Flex, by their names."""
    codes = read(content).operatorCodes
    return {kind_of(code) for code in codes}


def check_builtin(content: bytes) -> None:
    """Check that every interpreter can run a file.

    Args:
        content: The file.

    Raises:
        RuntimeError: If it contains a variable or an operator that is not a builtin.
    """
    builtins = set(NAMES.values()) - set(STATEFUL) - {"CUSTOM"}
    foreign = sorted(operators(content) - builtins)
    if foreign:
        raise RuntimeError(
            f"the converted graph contains other operators than builtins: {', '.join(foreign)}"
        )


def finish(
    content: bytes, card: ModelCard, samples: int | None = None, silence: bytes | None = None
) -> bytes:
    """Add the card to a file and remove what no interpreter needs, a fifth of a small file.

    Args:
        content: The file as the converter returned it.
        card: The card; goes into the metadata buffer named `TFLITE_CARD`, as JSON.
        samples: Length that an input of any length has before it is resized.
        silence: For a graph of steps, what it remembers after silence, see `silence.pack`.

    Returns:
        The file.
    """
    model = read(content)
    graph = model.subgraphs[0]
    if samples is not None:
        waveform = graph.tensors[graph.inputs[0]]
        waveform.shape = [1, samples, *waveform.shape[2:]]
    _drop_labels(graph)
    _merge_tensors(model, graph)
    _add_metadata(model, TFLITE_CARD, card.to_json().encode())
    if silence is not None:
        _add_metadata(model, TFLITE_SILENCE, silence)
    _share_buffers(model)
    _share_tables(model)
    return write(model)


def _add_metadata(model: Table, name: str, content: bytes) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]


def read_card(content: bytes, path: str) -> ModelCard:
    """Read the card of a file that takes waveforms of a fixed size.

    Args:
        content: The file.
        path: Name of the file in error messages.

    Returns:
        The card in its metadata.

    Raises:
        InputError: If it is damaged, has no card, or contradicts its card.
    """
    if content[4:8] != b"TFL3":
        raise InputError(f"{path}: not a .tflite file")
    try:
        model = read(content)
        graph = model.subgraphs[0]
        entries = {bytes(entry.name): entry.buffer for entry in model.metadata or []}
        found = entries.get(TFLITE_CARD.encode())
        text = None if found is None else bytes(model.buffers[found].data).decode()
        inputs = {bytes(x.name): x.tensorIndex for x in model.signatureDefs[0].inputs}
        waveform = graph.tensors[inputs.get(b"waveform", graph.inputs[0])]
        shape = [*waveform.shape]
        fixed = waveform.shapeSignature is None or -1 not in waveform.shapeSignature
    except Exception as error:  # the reader checks no offsets: struct, index, type errors
        raise InputError(f"{path}: a damaged .tflite file") from error
    if text is None:
        raise InputError(f"{path}: has no model card ({TFLITE_CARD}); export it with keras-mmdense")
    card = ModelCard.from_json(text, path)
    if not fixed or shape != [1, card.window + 2 * card.context, card.channels]:
        raise InputError(f"{path}: expected a graph from waveforms of the size in its card")
    return card


def replace_masks(content: bytes, networks: Sequence[bytes]) -> bytes:
    """Replace the networks in a file.

    Args:
        content: A file from `waveform` or `magnitude`, in which each network ends in a sigmoid.
        networks: Files from `magnitude` to the output of the sigmoid, in the order of the networks.

    Returns:
        The file, without unused operators.

    Raises:
        RuntimeError: If the file has another number of sigmoids, or their shapes differ.
    """
    model = read(content)
    graph = model.subgraphs[0]
    kinds = [kind_of(model.operatorCodes[o.opcodeIndex]) for o in graph.operators]
    masks = [i for i, kind in enumerate(kinds) if kind == "LOGISTIC"]
    if len(masks) != len(networks):
        raise RuntimeError(f"{len(masks)} sigmoids for {len(networks)} networks")
    magnitude = graph.inputs[0]
    if len(graph.tensors[magnitude].shape) != 4:
        magnitude = graph.operators[kinds.index("SQRT")].outputs[0]
    inserted = {
        graph.operators[place].outputs[0]: _append(
            model, read(network), magnitude, graph.operators[place].outputs[0]
        )
        for place, network in zip(masks, networks, strict=True)
    }
    operators = []
    for operator in graph.operators:
        operators += inserted.get(operator.outputs[0], [operator])
    graph.operators = _needed(operators, graph.outputs)
    return write(model)


def _append(model: Table, part: Table, entry: int, end: int) -> list[Table]:
    """Add a file's tensors to a model; return its operators, between two tensors of the model."""
    graph, added = model.subgraphs[0], part.subgraphs[0]
    for own, other in ((entry, added.inputs[0]), (end, added.outputs[0])):
        shapes = [list(graph.tensors[own].shape), list(added.tensors[other].shape)]
        if shapes[0] != shapes[1]:
            raise RuntimeError(f"a network of shape {shapes[1]} where {shapes[0]} belongs")
    tensors, buffers, codes = len(graph.tensors), len(model.buffers), len(model.operatorCodes)
    for tensor in added.tensors:
        tensor.buffer += buffers
    graph.tensors += added.tensors
    model.buffers += part.buffers
    model.operatorCodes += part.operatorCodes
    ends = {added.inputs[0]: entry, added.outputs[0]: end, -1: -1}
    for operator in added.operators:
        operator.opcodeIndex += codes
        for name in ("inputs", "outputs"):
            places = [ends.get(i, i + tensors) for i in getattr(operator, name)]
            setattr(operator, name, np.array(places, np.int32))
    return added.operators


def _needed(operators: list[Table], outputs: Iterable[int]) -> list[Table]:
    """Drop operators with unused results; keep the order of the others."""
    needed, kept = set(outputs), []
    for operator in reversed(operators):
        if needed & set(operator.outputs):
            needed |= set(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def _merge_tensors(model: Table, graph: Table) -> None:
    """Merge equal constants, drop unused tensors, and renumber the rest."""
    used = {*graph.inputs, *graph.outputs}
    for operator in graph.operators:
        used |= {*operator.inputs, *operator.outputs}
    new: dict[int, int] = {-1: -1}
    kept: list[Table] = []
    first: dict[Any, int] = {}
    for index in sorted(used - {-1}):
        tensor = graph.tensors[index]
        data = model.buffers[tensor.buffer].data
        scale = pickle.dumps(tensor.quantization and vars(tensor.quantization))
        key = index if data is None else (bytes(data), tensor.type, tuple(tensor.shape), scale)
        if key not in first:
            first[key] = len(kept)
            kept.append(tensor)
        new[index] = first[key]
    graph.tensors = kept
    for holder in (graph, *graph.operators):
        holder.inputs = np.array([new[i] for i in holder.inputs], np.int32)
        holder.outputs = np.array([new[i] for i in holder.outputs], np.int32)
    for signature in model.signatureDefs:
        for end in (*signature.inputs, *signature.outputs):
            end.tensorIndex = new[end.tensorIndex]


def _drop_labels(graph: Table) -> None:
    ends = {*graph.inputs, *graph.outputs}
    for index, tensor in enumerate(graph.tensors):
        if index not in ends:
            tensor.name = None
        quantized = tensor.quantization
        if quantized is not None and quantized.scale is None:
            tensor.quantization = None
        # It only distinguishes a scalar from an unknown shape.
        tensor.hasRank = len(tensor.shape) == 0


def _share_buffers(model: Table) -> None:
    """Merge buffers with equal contents; number 0 is the empty one."""
    first, shared = {b"": 0}, [model.buffers[0]]

    def place(index: int) -> int:
        data = model.buffers[index].data
        content = b"" if data is None else bytes(data)
        if content not in first:
            first[content] = len(shared)
            shared.append(model.buffers[index])
        return first[content]

    for holder in (*(t for graph in model.subgraphs for t in graph.tensors), *model.metadata):
        holder.buffer = place(holder.buffer)
    model.buffers = shared


def kind_of(code: Table) -> str:
    """Return the name of an operator code."""
    if code.customCode:
        return code.customCode.decode()
    return NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def read(content: bytes) -> Table:
    """Read a file into objects that can be edited."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


class _Once:
    """A table that is written once, regardless of how often it is used."""

    def __init__(self, table: Table):
        self._table = table
        self._offset: int | None = None

    def Pack(self, builder: flatbuffers.Builder) -> int:
        if self._offset is None:
            self._offset = int(self._table.Pack(builder))
        return self._offset


class _Builder(flatbuffers.Builder):
    """Writes equal vectors, such as shapes, once; aligns bytes, such as weights, to 16."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self._written: dict[tuple[str, bytes], int] = {}

    def StartVector(self, size: int, count: int, alignment: int) -> int:
        return super().StartVector(size, count, 16 if size == 1 else alignment)

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        key = x.dtype.str, x.tobytes()
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]


def _share_tables(model: Table) -> None:
    """Write equal unnamed tensors and equal options once, as tables are offsets."""
    shared: dict[tuple[type, bytes], _Once] = {}

    def once(table: Table) -> _Once:
        return shared.setdefault((type(table), pickle.dumps(vars(table))), _Once(table))

    for graph in model.subgraphs:
        graph.tensors = [once(tensor) for tensor in graph.tensors]
        for operator in graph.operators:
            if operator.builtinOptions is not None:
                operator.builtinOptions = once(operator.builtinOptions)


def write(model: Table) -> bytes:
    """Return the file of what `read` returned."""
    builder = _Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
