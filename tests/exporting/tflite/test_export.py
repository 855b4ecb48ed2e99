"""The TFLite file against the separator it was made of."""

import dataclasses
import json
import subprocess
import sys
import venv

import keras
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from keras_mmdense.cli.common import app
from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.exporting.source import load_source
from keras_mmdense.exporting.tflite import export as tflite
from keras_mmdense.exporting.tflite import flatbuffer, weights
from keras_mmdense.pretrained import networks
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.separator import Separator

interpreters = pytest.importorskip("ai_edge_litert.interpreter")

FRESH = """
import sys
for name in ("tensorflow", "keras", "keras_mmdense"):
    sys.modules[name] = None
import numpy as np
from ai_edge_litert.interpreter import Interpreter
stems = Interpreter(sys.argv[1]).get_signature_runner()(waveform=np.load(sys.argv[2]))
np.savez(sys.argv[3], **stems)
"""


def run(path, **inputs):
    return interpreters.Interpreter(str(path)).get_signature_runner()(**inputs)


def separator_of(path):
    card = ModelCard.from_json(path.with_suffix(".json").read_text())
    runner = interpreters.Interpreter(str(path)).get_signature_runner()

    def graph(waveforms):
        found = [runner(waveform=waveform[None]) for waveform in waveforms]
        return np.stack([[stems[name][0] for name in card.stems] for stems in found])

    return Separator.from_function(graph, card)


def windows(real_mixture, card):
    """The song's start, over and over, to the length of a window with its context."""
    size = card.window + 2 * card.context
    return np.ascontiguousarray(np.resize(real_mixture, (size, 2)))[None]


@pytest.fixture(scope="module")
def command(folder, tmp_path_factory):
    """The file of `export tflite`, and what the command printed."""
    import keras_mmdense.cli.export_tflite  # noqa: F401

    out = tmp_path_factory.mktemp("exported") / "tiny.tflite"
    arguments = ["export", "tflite", str(folder), str(out), "--seconds", "2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return out, result.output


@pytest.fixture(scope="module")
def exported(command):
    return command[0]


@pytest.fixture(scope="module")
def separator(folder, exported):
    card = ModelCard.from_json(exported.with_suffix(".json").read_text())
    return load_source([folder], card.window // card.hop).separator


@pytest.fixture(scope="module")
def sized(folder, tmp_path_factory):
    """Converts the network again: options -> file."""

    def convert(**options):
        out = tmp_path_factory.mktemp("again") / "tiny.tflite"
        tflite.export_tflite([folder], out, seconds=1, **options)
        return out

    return convert


def test_windows_joined_equal_the_separator(exported, separator, real_mixture):
    expected = separator.separate(real_mixture, 44100)
    stems = separator_of(exported).separate(real_mixture, 44100)
    assert set(stems) == set(expected) == {"vocals", "drums", "remainder"}
    for name, stem in expected.items():
        np.testing.assert_allclose(stems[name], stem, rtol=0, atol=1e-4)
        assert np.abs(stem).max() > 0.05


def test_names_shapes_and_card(exported, command, separator, folder):
    runner = interpreters.Interpreter(str(exported)).get_signature_runner()
    interpreter = interpreters.Interpreter(str(exported))
    card = ModelCard.from_json(exported.with_suffix(".json").read_text())
    size = [1, card.window + 2 * card.context, 2]
    assert list(interpreter.get_signature_list()) == ["serving_default"]
    assert {k: v["shape"].tolist() for k, v in runner.get_input_details().items()} == {
        "waveform": size
    }
    outputs = {k: v["shape"].tolist() for k, v in runner.get_output_details().items()}
    assert outputs == dict.fromkeys(card.stems, [1, card.window, 2])
    assert card == separator.card
    assert card.window % card.hop == 0 and abs(card.window / 44100 - 2) < 0.2
    assert str(card.precision) in command[1] and f"{exported.stat().st_size:,}" in command[1]
    assert card.weights[0] == json.loads((folder / "network.json").read_text())["sha256"]


def test_card_and_version_are_in_the_file(exported):
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(exported.read_bytes(), 0))
    found = {entry.name.decode(): model.buffers[entry.buffer].data for entry in model.metadata}
    card = found["keras_mmdense_card"].tobytes().decode()
    assert card == exported.with_suffix(".json").read_text()
    assert found["min_runtime_version"].tobytes().strip(b"\0")


def test_builtins_only(exported):
    found = flatbuffer.operators(exported.read_bytes())
    assert {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"} <= found
    assert not any(name.startswith("Flex") or "VAR" in name or "FFT" in name for name in found)


def test_live_variables_and_flex_are_refused():
    import tensorflow as tf

    class Live(tf.Module):
        def __init__(self):
            self.weight = tf.Variable(tf.ones(4))

        @tf.function(input_signature=[tf.TensorSpec([4], tf.float32)])
        def call(self, x):
            self.weight.assign_add(x)
            return x * self.weight

    @tf.function(input_signature=[tf.TensorSpec([4], tf.float32)])
    def inverse(x):
        return tf.signal.irfft(tf.signal.rfft(x))

    live = Live()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [live.call.get_concrete_function()], live
    )
    with pytest.raises(RuntimeError, match="READ_VARIABLE, VAR_HANDLE"):
        flatbuffer.check_builtin(converter.convert())
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [inverse.get_concrete_function()], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    with pytest.raises(RuntimeError, match="FlexIRFFT"):
        flatbuffer.check_builtin(converter.convert())


def test_float16_is_small_and_close(sized, exported, real_mixture, separator):
    out = sized(quantize="float16")
    types = weights.weight_types(out.read_bytes())
    # Window and matrices of the STFT, the weight of its inverse, and everything small stay float32.
    assert types["FLOAT32"] > (2048 + 1024) * 4 and types["FLOAT16"] > 2 * 4000
    saved = exported.stat().st_size - out.stat().st_size
    assert saved > 0.8 * types["FLOAT16"]
    x = real_mixture[: 3 * 44100]
    stems, expected = separator_of(out).separate(x, 44100), separator.separate(x, 44100)
    for name, stem in expected.items():
        error = np.sum((stems[name] - stem) ** 2) / np.sum(stem**2)
        assert 0 < error < 1e-5, (name, error)
    assert ModelCard.from_json(out.with_suffix(".json").read_text()).precision == "float16"


@pytest.mark.parametrize("network_only", [False, True])
def test_int8_networks_between_float_front_ends(sized, real_mixture, separator, network_only):
    calls = []
    out = sized(
        quantize="int8",
        calibration=[real_mixture],
        network_only=network_only,
        progress=lambda *done: calls.append(done),
    )
    content = out.read_bytes()
    flatbuffer.check_builtin(content)
    types = weights.weight_types(content)
    assert types["INT8"] > 4000 and types.get("FLOAT32", 0) < (22_000 if network_only else 130_000)
    assert calls == [(1, 2), (2, 2)]
    card = ModelCard.from_json(out.with_suffix(".json").read_text())
    assert card.precision == "int8"
    if network_only:
        frames = 1 + (card.window + 2 * card.context) // card.hop
        x = np.zeros((1, frames, 1025, 2), "float32")
        assert {name: y.shape for name, y in run(out, magnitude=x).items()} == {
            "vocals": x.shape,
            "drums": x.shape,
        }
        return
    x = real_mixture[: 3 * 44100]
    stems, expected = separator_of(out).separate(x, 44100), separator.separate(x, 44100)
    np.testing.assert_allclose(np.sum(list(stems.values()), axis=0), x, atol=1e-3)
    for name, stem in expected.items():
        error = np.sum((stems[name] - stem) ** 2) / np.sum(stem**2)
        assert 0 < error < 0.1, (name, error)


def test_the_command_calibrates_on_a_data_set(folder, tmp_path):
    import keras_mmdense.cli.export_tflite  # noqa: F401
    from keras_mmdense.synthesis.songs import write_songs

    def export(root, network=folder):
        arguments = ["export", "tflite", str(network), str(tmp_path / "tiny.tflite")]
        options = ["--seconds", "1", "--quantize", "int8", "--calibrate", str(root)]
        return CliRunner().invoke(app, [*arguments, *options])

    assert "nowhere" in str(export(tmp_path / "nowhere").exception)
    for path in (tmp_path / "slow" / "train" / name for name in ("song", "valid")):
        path.mkdir(parents=True)
        for stem in ("vocals", "drums", "bass", "other"):
            soundfile.write(path / f"{stem}.wav", np.zeros((2205, 2)), 22050)
    found = export(tmp_path / "slow").exception
    assert isinstance(found, InputError) and "song is at 22050 Hz, expected 44100" in str(found)
    assert not list(tmp_path.glob("tiny*"))
    write_songs(tmp_path / "songs", 2, 1, seed=0)
    half = dataclasses.replace(TABLES["tiny"], sample_rate=22050)
    for name, sizes in (("half", {"config": half}), ("mono", {"channels": 1})):
        spec = networks.NetworkSpec(**{"config": TABLES["tiny"], "targets": ("vocals",)} | sizes)
        networks.save_network(tmp_path / name, spec, spec.build())
    assert "expected 22050" in str(export(tmp_path / "songs", tmp_path / "half").exception)
    message = str(export(tmp_path / "songs", tmp_path / "mono").exception)
    assert "has 2 channels, expected 1" in message
    result = export(tmp_path / "songs")
    assert result.exit_code == 0 and "; int8, " in result.output


def test_resizable_takes_any_length(sized, separator, real_mixture):
    out = sized(resizable=True)
    card = ModelCard.from_json(out.with_suffix(".json").read_text())
    details = interpreters.Interpreter(str(out)).get_input_details()[0]
    assert details["shape"].tolist() == [1, card.window + 2 * card.context, 2]
    assert details["shape_signature"].tolist() == [1, -1, 2]
    for samples in (1, 1000, 44100, 200001):
        x = real_mixture[None, -samples - 2 * card.context :]
        stems, expected = run(out, waveform=x), separator.graph.predict_on_batch(x)
        for i, name in enumerate(card.stems):
            np.testing.assert_allclose(stems[name], expected[:, i], rtol=0, atol=1e-4)


def test_overlapping_frames(save_network, tmp_path, real_mixture):
    config = dataclasses.replace(TABLES["tiny"], n_fft=4096)
    network = save_network(tmp_path / "network", ("vocals",), config=config)
    files = {x: tmp_path / f"{x}.tflite" for x in ("short", "long", "resizable")}
    for name, options in zip(files, ({"seconds": 2}, {}, {"resizable": True}), strict=True):
        card = tflite.export_tflite([network], files[name], **options)
    x = real_mixture[None, : card.window + 2 * card.context]
    expected = run(files["long"], waveform=x)["vocals"]
    assert np.abs(expected).max() > 0.01
    resized = run(files["resizable"], waveform=x)["vocals"]
    np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-5)
    grown = files["long"].stat().st_size - files["short"].stat().st_size
    assert grown < 20_000  # weights for four more seconds of the signal would take 700,000


def test_network_alone(sized, folder):
    out = sized(network_only=True)
    card = ModelCard.from_json(out.with_suffix(".json").read_text())
    frames = 1 + (card.window + 2 * card.context) // card.hop
    x = np.random.default_rng(0).random((1, frames, 1025, 2), "float32")
    expected = networks.load_network(folder)[1](x, training=False)
    stems = run(out, magnitude=x)
    assert set(stems) == {"vocals", "drums"}
    for i, name in enumerate(("vocals", "drums")):
        np.testing.assert_allclose(stems[name], expected[:, i], rtol=0, atol=1e-5)


def test_a_mixed_policy_does_not_reach_the_file(sized, separator, real_mixture):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        out = sized(resizable=True)
    finally:
        keras.config.set_dtype_policy("float32")
    content = out.read_bytes()
    assert "FLOAT16" not in weights.weight_types(content)
    flatbuffer.check_builtin(content)
    x = real_mixture[None, : 44100 + 2 * separator.card.context]
    expected = separator.graph.predict_on_batch(x)[:, 0]
    np.testing.assert_allclose(run(out, waveform=x)["vocals"], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 44100, 2), (1, 0, 2), None, "mono", "three"])
def test_wrong_shapes_are_refused(exported, separator, shape):
    size = separator.card.window + 2 * separator.card.context
    shape = {None: (size, 2), "mono": (1, size, 1), "three": (1, size, 3)}.get(shape, shape)
    with pytest.raises((RuntimeError, ValueError)):
        run(exported, waveform=np.zeros(shape, "float32"))


def test_bad_requests(folder, tmp_path):
    for options, message in [
        ({"quantize": "int4"}, "one of float16, dynamic, int8, received 'int4'"),
        ({"quantize": "int8"}, "calibration mixtures are required for int8"),
        ({"calibration": [np.zeros((9, 2))]}, "calibration mixtures are required for int8"),
        (
            {"quantize": "int8", "calibration": [np.zeros((9, 2))], "resizable": True},
            "an int8 file has a fixed size",
        ),
        ({"seconds": 0}, "seconds must lie between 0 and 600, received 0"),
        ({"seconds": float("nan")}, "seconds must lie between 0 and 600, received nan"),
    ]:
        with pytest.raises(InputError, match=message):
            tflite.export_tflite([folder], tmp_path / "x.tflite", **options)
    with pytest.raises(InputError, match=r"ends in \.tflite"):
        tflite.export_tflite([folder], tmp_path / "x.bin")
    with pytest.raises(InputError, match="no trained network"):
        tflite.export_tflite([tmp_path / "none"], tmp_path / "x.tflite")
    assert not list(tmp_path.iterdir())


def test_a_json_file_that_is_no_card_is_kept(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"network\.json: would be replaced by a model card"):
        tflite.export_tflite([folder], folder / "network.tflite")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_runs_without_this_package(exported, separator, real_mixture, tmp_path):
    assert_runs([sys.executable], exported, separator, real_mixture, tmp_path)


@pytest.mark.slow
def test_runs_where_only_litert_is_installed(exported, separator, real_mixture, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "ai-edge-litert", "numpy"], check=True)
    assert_runs([python], exported, separator, real_mixture, tmp_path)


def assert_runs(python, exported, separator, real_mixture, folder):
    x = windows(real_mixture, separator.card)
    np.save(folder / "x.npy", x)
    arguments = [str(exported), str(folder / "x.npy"), str(folder / "stems.npz")]
    subprocess.run([*python, "-c", FRESH, *arguments], check=True, cwd=folder)
    found, expected = np.load(folder / "stems.npz"), separator.graph.predict_on_batch(x)
    assert sorted(found) == sorted(separator.card.stems)
    for i, name in enumerate(separator.card.stems):
        np.testing.assert_allclose(found[name], expected[:, i], rtol=0, atol=1e-4)
