"""Exported files as separators, each made here by the formats' own writers."""

import builtins
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.networks import NetworkSpec, save_network
from keras_mmdense.separation.loading import fingerprint, parameters
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.separator import Separator

STEMS = ("vocals", "drums")
CARD = ModelCard(("tiny",), STEMS, 8000, 2, n_fft=256, hop=128, window=1024, context=256)


class Halves(tf.Module):
    """Vocals are the left half of the level, drums a delayed rest."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, 2], tf.float32, "waveform")])
    def separate(self, waveform):
        delayed = tf.pad(waveform, [[0, 0], [100, 0], [0, 0]])[:, :-100]
        return {"drums": 0.25 * delayed, "vocals": 0.5 * waveform}

    @tf.function(input_signature=[tf.TensorSpec([None, None, 2], tf.float32, "waveform")])
    def separate_window(self, waveform):
        stems = self.separate(waveform)
        return {name: stem[:, CARD.context : -CARD.context] for name, stem in stems.items()}


@pytest.fixture(scope="module")
def music():
    return np.random.default_rng(0).standard_normal((5000, 2)).astype("float32")


def check(separator, music):
    """What `Halves` does, window by window, without a trace of the windows."""
    stems = separator.separate(music, CARD.sample_rate)
    assert list(stems) == list(separator.stems)
    delayed = np.pad(music, ((100, 0), (0, 0)))[:-100]
    np.testing.assert_allclose(stems["vocals"], 0.5 * music, atol=1e-6)
    if "drums" in stems:
        np.testing.assert_allclose(stems["drums"], 0.25 * delayed, atol=1e-6)


def save_halves(folder, names=("serving_default",), card=CARD):
    module = Halves()
    functions = {"serving_default": module.separate, "separate_window": module.separate_window}
    tf.saved_model.save(module, str(folder), {name: functions[name] for name in names})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "card.json").write_text(card.to_json())
    return folder


@pytest.mark.parametrize("names", [["serving_default"], ["serving_default", "separate_window"]])
def test_saved_model(tmp_path, music, names):
    folder = save_halves(tmp_path / "model", names)
    check(Separator.from_pretrained(folder), music)
    check(Separator.from_pretrained(str(folder), stems=["vocals"]), music)
    assert parameters(Separator.from_pretrained(folder).engine) is None


def tflite(card=CARD, samples=CARD.window + 2 * CARD.context, name="waveform", text=None):
    """A TFLite file of `Halves` with the card in a buffer of its metadata."""
    text = text or (card and card.to_json())
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    module = Halves()
    spec = tf.TensorSpec([1, samples, 2], tf.float32, name)
    function = tf.function(lambda x: module.separate_window(x), input_signature=[spec])
    concrete = function.get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert()
    if text is None:
        return content
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(text.encode(), np.uint8)
    entry.name, entry.buffer = b"keras_mmdense_card", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def tflite_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tflite") / "halves.tflite"
    path.write_bytes(tflite())
    return path


def test_tflite(tflite_file, music):
    check(Separator.from_pretrained(tflite_file), music)
    check(Separator.from_pretrained(tflite_file, stems=["vocals"]), music)


def test_mono_and_many_channels_pass_through_an_exported_file(tflite_file):
    wide = np.random.default_rng(0).standard_normal((3000, 5)).astype("float32")
    stems = Separator.from_pretrained(tflite_file).separate(wide, CARD.sample_rate)
    np.testing.assert_allclose(stems["vocals"], 0.5 * wide, atol=1e-6)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Networks of one and of two sources, in memory and as folders."""
    folder, pairs = tmp_path_factory.mktemp("tiny"), {}
    for targets in (("vocals",), STEMS):
        network = NetworkSpec(TABLES["tiny"], targets)
        pairs[targets] = network, network.build()
        save_network(folder / "_".join(targets), *pairs[targets])
    return folder, pairs


@pytest.mark.parametrize("targets", [("vocals",), STEMS])
@pytest.mark.parametrize("graph", [False, True])
def test_keras_file(tmp_path, tiny, music, targets, graph):
    expected = Separator.from_networks([tiny[1][targets]])
    path = tmp_path / "own name.keras"
    (expected.graph if graph else tiny[1][targets][1]).save(path)
    separator = Separator.from_pretrained(path)
    assert separator.card == expected.card
    context = Separator.from_networks([tiny[1][targets]], window=64).card.context
    window = np.pad(music, ((context,) * 2, (0, 0)))[None]
    for one, other in zip(separator.graph(window), expected.graph(window), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_folder_and_its_parameters(tiny, music):
    folder = tiny[0] / "vocals"
    separator = Separator.from_pretrained(folder)
    assert separator.stems == ("vocals", "accompaniment")
    model = tiny[1][("vocals",)][1]
    assert parameters(separator.engine) == sum(np.prod(w.shape) for w in model.trainable_weights)


def test_fingerprints_tell_contents(tmp_path, tiny, tflite_file):
    first, second = (fingerprint(tiny[0] / name) for name in ("vocals", "vocals_drums"))
    assert first != second and len(first) == 64
    save_network(tmp_path / "copy", *tiny[1][("vocals",)])
    (tmp_path / "copy" / "run.json").write_text("{}")
    copied = fingerprint(tmp_path / "copy")
    save_network(tmp_path / "copy", *tiny[1][STEMS])
    assert fingerprint(tmp_path / "copy") != copied
    (tmp_path / "other.tflite").write_bytes(tflite_file.read_bytes())
    assert fingerprint(tmp_path / "other.tflite") == fingerprint(tflite_file)
    assert len(fingerprint("mmdensenet_4stems")) == 64
    folder = save_halves(tmp_path / "model")
    before = fingerprint(folder)
    (folder / "assets.extra" / "card.json").write_text("{}")
    assert fingerprint(folder) != before


def fails(path, message):
    with pytest.raises(InputError, match=message) as caught:
        Separator.from_pretrained(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_damaged_files(tmp_path, tflite_file):
    fails(tmp_path / "no.tflite", "no such file")
    fails(tmp_path / "no.keras", "no such file")
    fails(tmp_path / "nothing", "no trained network")
    for name in ("a.tflite", "a.keras"):
        (tmp_path / name).write_bytes(b"words and words and words")
        fails(tmp_path / name, "not a .tflite file|Keras cannot load it")
    (tmp_path / "cut.tflite").write_bytes(tflite_file.read_bytes()[:200])
    fails(tmp_path / "cut.tflite", "damaged|no model card|cannot run")
    folder = save_halves(tmp_path / "model")
    (folder / "saved_model.pb").write_bytes(b"words")
    fails(folder, "incomplete SavedModel")
    (folder / "assets.extra" / "card.json").unlink()
    fails(folder, "no model card")


def test_cards_that_do_not_fit(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(tflite(card=None))
    fails(path, "no model card")
    path.write_bytes(tflite(samples=2000))
    fails(path, r"takes waveforms \(1, 2000, 2\), but its card says \(1, 1536, 2\)")
    path.write_bytes(tflite(name="magnitude"))
    fails(path, "takes magnitude; expected a graph from a waveform")
    card = ModelCard(("tiny",), ("piano",), 8000, 2, n_fft=256, hop=128, window=1024, context=256)
    fails(save_halves(tmp_path / "model", card=card), "has no output piano")


def test_stems_of_a_card_cannot_name_other_places(tmp_path):
    folder = save_halves(tmp_path / "model")
    for stem in ("../../up", str(tmp_path / "abs")):
        text = CARD.to_json().replace('"vocals"', json.dumps(stem))
        (folder / "assets.extra" / "card.json").write_text(text)
        fails(folder, "stems must be distinct names")
        path = tmp_path / "a.tflite"
        path.write_bytes(tflite(card=None, text=text))
        fails(path, "stems must be distinct names")


def test_keras_files_of_other_networks(tmp_path, tiny):
    inputs = keras.Input((None, 1025, 2))
    keras.Model(inputs, keras.layers.Dense(2)(inputs), name="other").save(tmp_path / "other.keras")
    fails(tmp_path / "other.keras", "cannot tell the table and the stems .* 'other'")
    inputs = keras.Input((5,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "dense.keras")
    fails(tmp_path / "dense.keras", "neither a network")


def damage_saved_model(folder, part):
    if part == "card":
        (folder / "assets.extra" / "card.json").write_bytes(b"\xff\xfe")
    else:
        (path,) = folder.glob(part)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return folder


@pytest.mark.parametrize("part", ["card", "saved_model.pb", "variables/variables.index"])
def test_damaged_saved_models_are_named(tmp_path, part):
    fails(
        damage_saved_model(save_halves(tmp_path / "model"), part),
        "model: (no model card|not a|incomplete SavedModel)",
    )


def test_saved_models_of_other_inputs_are_named(tmp_path):
    module, folder = tf.Module(), tmp_path / "model"
    spec = tf.TensorSpec([None, None, 2], tf.float32, "sound")
    module.run = tf.function(
        lambda sound: {"vocals": sound, "drums": sound}, input_signature=[spec]
    )
    tf.saved_model.save(module, str(folder), {"serving_default": module.run})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "card.json").write_text(CARD.to_json())
    fails(folder, "takes sound; expected a graph from a waveform")


def keras_models():
    inputs = keras.Input((None, 1025, 2), name="mixture")
    outputs = [keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)]
    yield "two outputs", keras.Model(inputs, outputs, name="tiny_vocals")
    yield "unbuilt", keras.Sequential([keras.layers.Dense(2)])


@pytest.mark.parametrize("name", ["two outputs", "unbuilt"])
def test_keras_files_of_no_network_are_named(tmp_path, name):
    dict(keras_models())[name].save(tmp_path / "a.keras")
    fails(tmp_path / "a.keras", r"a\.keras: (neither a network|Keras cannot load)")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_damaged_keras_files_are_named(tmp_path, tiny, place):
    path = tmp_path / "a.keras"
    tiny[1][("vocals",)][1].save(path)
    data = bytearray(path.read_bytes())
    start = int(place * len(data))
    data[start : start + 20] = bytes(value ^ 0xFF for value in data[start : start + 20])
    path.write_bytes(data)
    fails(path, r"a\.keras: ")


def test_an_archive_without_a_network_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("words.txt", "words")
    fails(tmp_path / "a.keras", r"a\.keras: Keras cannot load it")


def test_missing_package_is_said_in_one_line(tflite_file, monkeypatch):
    real = builtins.__import__

    def importing(name, *args, **kwargs):
        if name.startswith("ai_edge_litert"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    fails(tflite_file, r"keras-mmdense\[export\]")
