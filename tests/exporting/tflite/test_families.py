"""Every family of networks as a TFLite file, beside the separator it was made of."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_mmdense.configs import (
    BlendConfig,
    BLSTMConfig,
    Branch,
    Conv,
    DenseBlock,
    DenseNetConfig,
    FNNConfig,
)
from keras_mmdense.errors import InputError
from keras_mmdense.exporting.source import load_source
from keras_mmdense.exporting.tflite.conversion import merge_batch_norm
from keras_mmdense.exporting.tflite.export import export_tflite
from keras_mmdense.pretrained import networks
from keras_mmdense.separation.separator import Separator

RATE = 8000
FRONT = {"n_fft": 256, "hop": 128, "sample_rate": RATE}
SCALES = Branch("full", Conv((3, 3), 4), (DenseBlock(4, 2),) * 3, 1, (3, 3), tdf=8)
FLAT = dataclasses.replace(SCALES, blocks=(DenseBlock(4, 2),), scales=0, tdf=0)
FNN = FNNConfig(name="fnn", context=1, layers=2, hidden=16, band_limit=3000.0, **FRONT)
BLSTM = BLSTMConfig(name="blstm", cells=4, layers=1, band_limit=3000.0, **FRONT)
DENSE = {"final": DenseBlock(4, 1), **FRONT}
TABLES = {
    "fnn": FNN,
    "blstm": BLSTM,
    "blend": BlendConfig(name="blend", first=FNN, second=BLSTM, **FRONT),
    "densenet": DenseNetConfig(name="densenet", family="densenet", branches=(FLAT,), **DENSE),
    "mdensenet": DenseNetConfig(
        name="cws",
        family="mdensenet",
        branches=(SCALES,),
        input="log",
        subbands=2,
        adjacent=2,
        **DENSE,
    ),
}


def trained(name):
    """A network with random weights and statistics of batch norm."""
    keras.utils.set_random_seed(1)
    spec = networks.NetworkSpec(TABLES[name], ("vocals", "drums"))
    model = spec.build()
    for weight in model.weights:
        noise = np.random.default_rng(len(weight.path)).uniform(0.5, 1.5, weight.shape)
        weight.assign(weight * noise + (0.1 if "beta" in weight.path else 0))
    return spec, model


@pytest.mark.parametrize("name", ["mdensenet", "blend"])
def test_batch_norm_is_merged_exactly(name):
    """Also over bins, behind TDF blocks and in the parts of a blend."""
    _, model = trained(name)
    x = np.random.default_rng(0).random((1, 8, 129, 2), "float32")
    np.testing.assert_allclose(merge_batch_norm(model)(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "quantize"),
    [
        *((name, None) for name in TABLES),
        *((name, "dynamic") for name in ("densenet", "mdensenet", "fnn")),
        ("densenet", "int8"),
    ],
)
def test_the_file_separates_as_the_network_does(tmp_path, name, quantize):
    pytest.importorskip("ai_edge_litert")
    networks.save_network(tmp_path / "net", *trained(name))
    x = (0.3 * np.random.default_rng(0).standard_normal((30000, 2))).astype("float32")
    calibration = [x] if quantize == "int8" else ()
    file = tmp_path / "a.tflite"
    export_tflite([tmp_path / "net"], file, seconds=1.5, quantize=quantize, calibration=calibration)
    expected = load_source([tmp_path / "net"]).separator.separate(x, RATE)
    for stem, found in Separator.from_pretrained(file).separate(x, RATE).items():
        error = np.sum((found - expected[stem]) ** 2)
        assert 10 * np.log10(np.sum(expected[stem] ** 2) / error) > (20 if quantize else 100)


def test_int8_is_refused_for_logarithms(tmp_path):
    networks.save_network(tmp_path / "net", *trained("mdensenet"))
    song = [np.zeros((30000, 2), "float32")]
    with pytest.raises(InputError, match="needs more than 8 bits: use dynamic for cws"):
        export_tflite([tmp_path / "net"], tmp_path / "a.tflite", quantize="int8", calibration=song)
    assert not (tmp_path / "a.tflite").exists()
