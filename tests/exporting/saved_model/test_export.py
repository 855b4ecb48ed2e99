"""The SavedModel against the separator it was made of."""

import hashlib
import json
import os
import subprocess
import sys
import venv

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from keras_mmdense.errors import InputError
from keras_mmdense.exporting import source as provenance
from keras_mmdense.exporting.saved_model import export
from keras_mmdense.exporting.saved_model.signatures import Signatures
from keras_mmdense.pretrained import networks
from keras_mmdense.pretrained.network_card import NetworkCard, ScoreTable
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.separator import Separator
from keras_mmdense.stems import STEMS

CLOSE = {"rtol": 0, "atol": 1e-5}

FRESH = """
import sys
import numpy as np
import tensorflow as tf

sys.modules["keras"] = sys.modules["keras_mmdense"] = None
model = tf.saved_model.load(sys.argv[1])
waveform = np.load(sys.argv[2])
stems = model.signatures["serving_default"](waveform=tf.constant(waveform))
np.savez(sys.argv[3], **{name: stem.numpy() for name, stem in stems.items()})
"""


def serve(loaded, signature="serving_default", **inputs):
    outputs = loaded.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
    return {name: output.numpy() for name, output in outputs.items()}


def assert_separates(stems, separator, waveforms):
    """Stems (batch, samples, channels) by name are those of every waveform by itself."""
    for i, waveform in enumerate(waveforms):
        expected = separator.separate(waveform, 44100)
        assert set(stems) == set(expected)
        for name, stem in expected.items():
            np.testing.assert_allclose(stems[name][i], stem, **CLOSE)


@pytest.mark.parametrize("samples", [1, 1000, 200001])
def test_equals_the_separator(loaded, tiny_source, real_mixture, samples):
    waveform = real_mixture[-samples:]
    assert_separates(serve(loaded, waveform=waveform[None]), tiny_source.separator, [waveform])


def test_a_batch_equals_single_songs(loaded, tiny_source, real_mixture):
    batch = np.stack(np.split(real_mixture[: 4 * 50000], 4))
    assert_separates(serve(loaded, waveform=batch), tiny_source.separator, batch)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 4])
def test_a_minute_equals_the_separator(loaded, tiny_folder, stems_root, batch):
    span = {"start": 44100 * 20, "frames": 44100 * 60, "dtype": "float32"}
    files = [stems_root / "Lithium" / f"{stem}.ogg" for stem in STEMS]
    song = np.sum([soundfile.read(file, **span)[0] for file in files], axis=0)
    waveforms = [np.roll(song, 44100 * 13 * i, axis=0) for i in range(batch)]
    stems = serve(loaded, waveform=np.stack(waveforms))
    assert_separates(stems, Separator(tiny_folder), waveforms)


@pytest.mark.parametrize("filler", [np.nan, 7.0, None])
def test_what_lies_behind_a_length_has_no_effect(loaded, tiny_source, real_mixture, filler):
    """None: the first value of a signal, with which TF Serving fills up."""
    lengths = [1, 30000, 40000]
    batch = real_mixture[: 3 * 40000].reshape(3, 40000, 2).copy()
    for waveform, length in zip(batch, lengths, strict=True):
        waveform[length:] = waveform[0, 0] if filler is None else filler
    stems = serve(loaded, "separate_batch", waveform=batch, lengths=np.int32(lengths))
    for i, length in enumerate(lengths):
        cropped = {name: stem[i : i + 1, :length] for name, stem in stems.items()}
        assert_separates(cropped, tiny_source.separator, [batch[i, :length]])
        assert not any(stem[i, length:].any() for stem in stems.values())


def test_a_window_is_the_graph_without_its_context(loaded, tiny_source, real_mixture):
    separator = tiny_source.separator
    card = separator.card
    window = real_mixture[None, : card.window + 2 * card.context]
    expected = separator.graph.predict_on_batch(window)
    stems = serve(loaded, "separate_window", waveform=window)
    for i, name in enumerate(card.stems):
        np.testing.assert_allclose(stems[name], expected[:, i], **CLOSE)


def wav_bytes(waveform, tmp_path, subtype):
    soundfile.write(tmp_path / "song.wav", waveform, 44100, subtype)
    return (tmp_path / "song.wav").read_bytes()


def test_wav_files_in_wav_files_out(loaded, tiny_source, real_mixture, tmp_path):
    """Of different lengths, formats and channels in one batch."""
    stereo, mono = real_mixture[:30000].clip(-1, 1), real_mixture[:20000, :1]
    files = [wav_bytes(stereo, tmp_path, "PCM_24"), wav_bytes(mono, tmp_path, "FLOAT")]
    stems = serve(loaded, "separate_wav", wav_bytes=files)
    exact = np.round(stereo * 2**23).clip(-(2**23), 2**23 - 1).astype("float32") / 2**23
    for i, waveform in enumerate((exact, mono)):
        expected = tiny_source.separator.separate(waveform, 44100)
        for name, stem in expected.items():
            (tmp_path / "stem.wav").write_bytes(stems[f"{name}_bytes"][i])
            found, rate = soundfile.read(tmp_path / "stem.wav", always_2d=True)
            assert rate == 44100 and found.shape == waveform.shape
            np.testing.assert_allclose(found, stem, **CLOSE)


def test_spectrogram_is_the_network(loaded, tiny_source):
    magnitude = np.random.default_rng(0).random((2, 7, 1025, 2), "float32")
    expected = tiny_source.networks[0][1](magnitude, training=False)
    stems = serve(loaded, "spectrogram", magnitude=magnitude)
    for i, name in enumerate(STEMS):
        np.testing.assert_allclose(stems[name], expected[:, i], **CLOSE)


def test_networks_of_one_stem_go_into_one_file(tmp_path, real_mixture, save_network):
    folders = [save_network(tmp_path / stem, (stem,), i) for i, stem in enumerate(STEMS[:2])]
    source = provenance.load_source(folders)
    assert len(set(source.separator.card.weights)) == 2
    signatures = Signatures(source)
    magnitude = np.random.default_rng(0).random((1, 5, 1025, 2), "float32")
    stems = signatures.spectrogram(tf.constant(magnitude))
    assert set(stems) == set(STEMS[:2])
    for network, model in source.networks:
        np.testing.assert_allclose(stems[network.targets[0]], model(magnitude), **CLOSE)
    waveform = real_mixture[:5000]
    found = signatures.separate(tf.constant(waveform[None]))
    assert set(found) == {"vocals", "drums", "remainder"}
    assert_separates({k: v.numpy() for k, v in found.items()}, source.separator, [waveform])


def test_one_channel_networks_take_stereo_files(tmp_path, real_mixture, save_network):
    folder = save_network(tmp_path / "mono", STEMS, channels=1)
    source = provenance.load_source([folder])
    waveform = real_mixture[:3000]
    file = tf.constant([wav_bytes(waveform, tmp_path, "FLOAT")])
    stems = Signatures(source).separate_wav(file)
    for name, stem in source.separator.separate(waveform, 44100).items():
        (tmp_path / "stem.wav").write_bytes(stems[f"{name}_bytes"].numpy()[0])
        found, _ = soundfile.read(tmp_path / "stem.wav")
        np.testing.assert_allclose(found, stem, **CLOSE)


def test_export_is_float32_under_any_policy(tiny_folder, tiny_source):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = provenance.load_source([tiny_folder])
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    layers = mixed.networks[0][1].layers + mixed.separator.graph.layers
    assert {layer.compute_dtype for layer in layers} == {"float32"}
    magnitude = np.random.default_rng(0).random((1, 5, 1025, 2), "float32")
    found, expected = (source.networks[0][1](magnitude) for source in (mixed, tiny_source))
    np.testing.assert_array_equal(found, expected)


SOUND = np.zeros((2, 300, 2), "float32")
NAN, INFINITE, NEGATIVE = SOUND.copy(), SOUND.copy(), np.zeros((1, 2, 1025, 2), "float32")
NAN[0, 7, 1], INFINITE[1, 9, 0], NEGATIVE[0, 1, 3, 0] = np.nan, np.inf, -0.5
AXES = r"waveform must be \[batch, samples, 2 channels\], none of them 0; received shape "


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("serving_default", {"waveform": SOUND[0]}, AXES + r"\[300 2\]"),
        ("serving_default", {"waveform": SOUND[..., :1]}, AXES + r"\[2 300 1\]"),
        ("serving_default", {"waveform": np.tile(SOUND, 2)}, AXES + r"\[2 300 4\]"),
        ("serving_default", {"waveform": SOUND[:, :0]}, AXES + r"\[2 0 2\]"),
        ("serving_default", {"waveform": SOUND[:0]}, AXES + r"\[0 300 2\]"),
        ("serving_default", {"waveform": NAN}, "waveform must hold finite numbers; 1 are NaN"),
        ("serving_default", {"waveform": INFINITE}, "waveform must hold finite numbers; 1 are"),
        (
            "separate_window",
            {"waveform": SOUND},
            "longer than twice the context of .*; received 300",
        ),
        ("separate_window", {"waveform": NAN}, "waveform must hold finite numbers"),
        (
            "separate_batch",
            {"waveform": SOUND, "lengths": np.int32([3])},
            "expected 2 lengths, one for each waveform",
        ),
        ("separate_batch", {"waveform": SOUND, "lengths": np.int32([0, 1])}, r"between 1 and.*300"),
        ("separate_batch", {"waveform": SOUND, "lengths": np.int32([9, 301])}, r"\[9 301\]"),
        ("separate_batch", {"waveform": NAN, "lengths": np.int32([8, 1])}, "must hold finite"),
        ("separate_wav", {"wav_bytes": [b"RIFF"]}, "wav must be a WAV file"),
        ("spectrogram", {"magnitude": NEGATIVE[..., :9, :]}, "1025 bins, 2 channels.*received"),
        ("spectrogram", {"magnitude": NEGATIVE}, "must not be negative; the lowest value is -0.5"),
    ],
)
def test_bad_requests_end_in_a_clear_error(loaded, signature, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        serve(loaded, signature, **inputs)


def test_nan_in_a_wav_file_is_refused(loaded, tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError, match="wav must hold finite numbers; 1 are"):
        serve(loaded, "separate_wav", wav_bytes=[wav_bytes(NAN[0], tmp_path, "FLOAT")])


def run_fresh(python, exported, waveform, folder):
    np.save(folder / "in.npy", waveform[None])
    arguments = [exported, folder / "in.npy", folder / "out.npz"]
    script = folder / "run.py"
    script.write_text(FRESH)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run([python, script, *arguments], check=True, env=environment, cwd=folder)
    return dict(np.load(folder / "out.npz"))


def test_runs_where_neither_package_nor_keras_is(exported, tiny_source, real_mixture, tmp_path):
    stems = run_fresh(sys.executable, exported, real_mixture[:9000], tmp_path)
    assert_separates(stems, tiny_source.separator, [real_mixture[:9000]])


@pytest.mark.slow
def test_runs_where_only_tensorflow_is_installed(exported, tiny_source, real_mixture, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", f"tensorflow=={tf.__version__}"]
    subprocess.run(install, check=True)
    stems = run_fresh(python, exported, real_mixture[:100000], tmp_path)
    assert_separates(stems, tiny_source.separator, [real_mixture[:100000]])


def test_names_are_clean(exported):
    """As `saved_model_cli show` and a server's metadata give them."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    signatures = content.meta_graphs[0].signature_def
    names = {
        name: (sorted(signature.inputs), sorted(signature.outputs))
        for name, signature in signatures.items()
        if not name.startswith("__")
    }
    stems = sorted(STEMS)
    assert names == {
        "serving_default": (["waveform"], stems),
        "separate_batch": (["lengths", "waveform"], stems),
        "separate_window": (["waveform"], stems),
        "separate_wav": (["wav_bytes"], [f"{stem}_bytes" for stem in stems]),
        "spectrogram": (["magnitude"], stems),
    }
    shape = signatures["serving_default"].inputs["waveform"].tensor_shape
    assert [axis.size for axis in shape.dim] == [-1, -1, 2]


def test_weights_are_stored_once(exported, tiny_source):
    stored = tf.train.list_variables(exported / "variables" / "variables")
    shapes = [tuple(shape) for name, shape in stored if name.endswith("VARIABLE_VALUE")]
    weights = tiny_source.networks[0][1].weights
    assert sorted(shapes) == sorted(tuple(weight.shape) for weight in weights)


def test_the_card_travels_along(exported, tiny_folder, tiny_source):
    card = ModelCard.from_json((exported / "assets.extra" / "card.json").read_text())
    digest = hashlib.sha256((tiny_folder / networks.WEIGHTS).read_bytes()).hexdigest()
    assert card == tiny_source.separator.card
    assert card.weights == (digest,) and card.stems == STEMS and card.license == "unknown"
    assert (card.sample_rate, card.channels, card.window) == (44100, 2, 32 * 1024)


def test_the_card_tells_license_and_scores(tmp_path, save_network):
    folder = save_network(tmp_path / "net", ("vocals",))
    table = ScoreTable("The demo", "", {"separated": {"vocals": [4.03, 3, 5]}})
    card = NetworkCard("CC0-1.0", "CC0 1.0 (free music)", scores=(table,))
    networks.write_description(folder, *networks.read_description(folder), card)
    card = provenance.load_source([folder]).separator.card
    assert card.license == "CC0 1.0 (free music)"
    assert card.scores == {"net": {"data": "The demo", "sdr": {"vocals": 4.03}}}
    summary = {"vocals": {"SDR": 5.5, "songs": 14}}
    scores = {"rule": "museval", "systems": {"runs/net": {"summary": summary}, "mixture": {}}}
    (folder / "scores").mkdir()
    (folder / "scores" / "scores.json").write_text(json.dumps(scores))
    card = provenance.load_source([folder]).separator.card
    assert card.scores["net"]["sdr"] == {"vocals": 5.5}
    assert ModelCard.from_json(card.to_json()) == card


def test_other_folders_are_not_overwritten(tiny_folder, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("x")
    with pytest.raises(InputError, match="photos: exists and is not an exported model"):
        export.export_saved_model([tiny_folder], tmp_path / "photos")
    with pytest.raises(InputError, match="nothing: no trained network"):
        export.export_saved_model([tmp_path / "nothing"], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_the_command_tells_what_it_wrote(exported, command_output):
    told = command_output.replace("\n", "").replace(" ", "")
    assert "tiny:vocals,drums,bass,other" in told
    for file in exported.rglob("*"):
        if file.is_file():
            assert f"{file.stat().st_size:,}" in command_output


def test_an_older_export_is_replaced(exported):
    """The fixture found one there."""
    assert sorted(path.name for path in exported.iterdir()) == [
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
    ]
    assert [path.name for path in exported.parent.iterdir()] == ["1"]
