"""Weights of TFLite files in 8 bits, against those in float32."""

import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.exporting.source import load_source
from keras_mmdense.exporting.tflite import conversion, flatbuffer, weights
from keras_mmdense.exporting.tflite.export import export_tflite
from keras_mmdense.pretrained import networks

interpreters = pytest.importorskip("ai_edge_litert.interpreter")


@pytest.fixture(scope="module")
def uneven(folder, tmp_path_factory):
    """The network of `folder`, whose maps have very different ranges."""
    spec, model = networks.load_network(folder)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if "_dense" in layer.name and layer.name.endswith("_bn"):
            spread = 10.0 ** rng.uniform(-1, 1, layer.gamma.shape)
            layer.gamma.assign(layer.gamma * spread)
            layer.beta.assign(layer.beta * spread)
            conv = model.get_layer(layer.name.removesuffix("_bn") + "_conv")
            conv.kernel.assign(conv.kernel / spread[:, None].astype("float32"))
    path = tmp_path_factory.mktemp("uneven") / "tiny"
    networks.save_network(path, spec, model)
    return path


def constants(file):
    """Constant tensors of the operators of every kind: (type, values, scales)."""
    model = flatbuffer.read(file.read_bytes())
    found = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            kind = flatbuffer.kind_of(model.operatorCodes[operator.opcodeIndex])
            if kind not in ("CONV_2D", "FULLY_CONNECTED"):
                continue
            tensor = graph.tensors[operator.inputs[1]]
            dtype = {0: np.float32, 9: np.int8}[tensor.type]
            values = model.buffers[tensor.buffer].data.view(dtype).reshape(tensor.shape)
            scales = tensor.quantization.scale if dtype == np.int8 else None
            found.setdefault(kind, []).append((values, scales))
    return found


def test_convolutions_after_a_batch_norm_are_rounded(uneven, tmp_path):
    for quantize in (None, "dynamic"):
        export_tflite([uneven], tmp_path / f"{quantize}.tflite", seconds=1, quantize=quantize)
    exact, rounded = (constants(tmp_path / f"{x}.tflite") for x in (None, "dynamic"))
    model = networks.load_network(uneven).model
    names = [layer.name for layer in model.layers if layer.name.endswith("_conv")]
    after_norm = [name for name in names if "_dense" in name or "_join" in name]
    assert sum(scales is not None for _, scales in rounded["CONV_2D"]) == len(after_norm)
    for kind, tensors in exact.items():
        for (values, _), (found, scales) in zip(tensors, rounded[kind], strict=True):
            if scales is None:
                np.testing.assert_array_equal(found, values)
                continue
            scales = np.array(scales).reshape(-1, 1, 1, 1)
            assert np.abs(found).reshape(len(found), -1).max(axis=1).tolist() == [127] * len(found)
            assert np.all(np.abs(found * scales - values) < 0.51 * scales)


def test_the_matrices_of_the_fft_are_exact(uneven, tmp_path):
    export_tflite([uneven], tmp_path / "a.tflite", seconds=1, quantize="dynamic")
    matrices = constants(tmp_path / "a.tflite")["FULLY_CONNECTED"]
    assert matrices and not any(scales is not None for _, scales in matrices)


def test_maps_of_one_range_lose_less(uneven, real_mixture, monkeypatch):
    source = load_source([uneven], 40)
    card = source.separator.card
    size = card.window + 2 * card.context
    song = np.ascontiguousarray(np.resize(real_mixture, (size, 2)))[None]

    def stems(quantize):
        content = conversion.convert(
            conversion.waveform_function(source, quantize is not None), size, quantize
        )
        return interpreters.Interpreter(model_content=content).get_signature_runner()(waveform=song)

    exact, ours = stems(None), stems("dynamic")
    monkeypatch.setattr(conversion, "_ranges", lambda gamma, beta: np.ones_like(gamma))
    uneven_ranges = stems("dynamic")
    for name in ("vocals", "drums"):
        energy = np.square(exact[name]).mean()
        error, other = (np.square(x[name] - exact[name]).mean() for x in (ours, uneven_ranges))
        assert error < 1e-3 * energy and error < other / 4, (error / energy, other / energy)


@pytest.mark.slow
def test_dense_layers_are_rounded(tmp_path):
    spec = networks.NetworkSpec(TABLES["fnn"], ("vocals",))
    networks.save_network(tmp_path / "net", spec, spec.build())
    export_tflite([tmp_path / "net"], tmp_path / "a.tflite", seconds=1, quantize="dynamic")
    types = weights.weight_types((tmp_path / "a.tflite").read_bytes())
    assert types["INT8"] > 0.9 * sum(types.values())
