"""Separation in steps against separation in windows."""

import concurrent.futures
import copy
import dataclasses
import pickle

import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.exporting.tflite import flatbuffer
from keras_mmdense.exporting.tflite.export import export_tflite
from keras_mmdense.pretrained.networks import save_network
from keras_mmdense.separation import silence
from keras_mmdense.separation.model_card import TFLITE_SILENCE
from keras_mmdense.separation.separator import Separator
from keras_mmdense.stems import STEMS


@pytest.fixture(scope="module")
def separator(random_network):
    return Separator.from_networks([random_network()])


@pytest.fixture(scope="module")
def file(random_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    save_network(folder / "tiny", *random_network())
    export_tflite([folder / "tiny"], folder / "steps.tflite", steps=True)
    return folder / "steps.tflite"


def distance(one, other):
    assert set(one) == set(other)
    return max(np.abs(one[name] - other[name]).max() for name in one)


@pytest.mark.parametrize(
    ("targets", "n_fft"),
    [(STEMS, 2048), (("vocals",), 2048), (("drums", "bass"), 2048), (STEMS, 4096), (STEMS, 8192)],
)
def test_steps_equal_windows(random_network, real_mixture, targets, n_fft):
    pair = random_network(dataclasses.replace(TABLES["tiny"], n_fft=n_fft), targets)
    steps, windows = Separator.from_networks([pair]), Separator.from_networks([pair], window=384)
    assert steps.card.delay and not windows.card.delay
    assert distance(*(x.separate(real_mixture, 44100) for x in (steps, windows))) < 1e-5


def test_networks_of_different_delay_are_joined(random_network, real_mixture):
    shallow = dataclasses.replace(
        TABLES["tiny"], final=dataclasses.replace(TABLES["tiny"].final, layers=1)
    )
    pairs = [random_network(targets=("vocals",)), random_network(shallow, ("drums",))]
    steps, windows = Separator.from_networks(pairs), Separator.from_networks(pairs, window=384)
    song = real_mixture[:300000]
    assert distance(*(x.separate(song, 44100) for x in (steps, windows))) < 1e-5


def test_mono_networks_take_steps(random_network, real_mixture):
    pair = random_network(channels=1)
    steps, windows = Separator.from_networks([pair]), Separator.from_networks([pair], window=384)
    song = real_mixture[:300000, 0]
    assert distance(*(x.separate(song, 44100) for x in (steps, windows))) < 1e-5


def test_a_network_with_an_lstm_sees_windows(random_network):
    config = dataclasses.replace(TABLES["blstm"], cells=4, n_fft=256, hop=128)
    card = Separator.from_networks([random_network(config, ("vocals",))]).card
    assert card.context and not card.delay


@pytest.mark.parametrize("engine", ["tensorflow", "litert"])
def test_songs_do_not_hear_one_another(separator, file, real_mixture, engine):
    separator = separator if engine == "tensorflow" else Separator(file)
    assert separator.engine.name == engine
    songs = [gain * real_mixture[:250000] for gain in (1, -0.5, 0.25)]
    alone = [separator.separate(song, 44100) for song in songs]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda song: separator.separate(song, 44100), songs))
    for one, other in zip(alone, together, strict=True):
        assert distance(one, other) == 0


def test_weights_that_are_no_numbers_are_refused(random_network, real_mixture):
    spec, model = random_network()
    kernel = next(weight for weight in model.weights if "first_conv" in weight.path)
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(InputError, match="weights are not finite"):
        Separator.from_networks([(spec, model)]).separate(real_mixture[:44100], 44100)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_give_the_same_stems(separator, file, real_mixture, copied):
    for one in (separator, Separator(file, stems=["drums"])):
        other = copied(one)
        song = real_mixture[:150000]
        assert distance(one.separate(song, 44100), other.separate(song, 44100)) == 0


def test_functions_are_not_copied(separator):
    own = Separator.from_function(lambda x: x, separator.card)
    with pytest.raises(TypeError, match="'function' cannot be copied or pickled"):
        copy.deepcopy(own)


def test_litert_equals_keras(file, separator, real_mixture):
    engine = Separator(file)
    assert engine.engine.name == "litert"
    assert engine.card.delay == separator.card.delay and engine.latency == separator.latency
    for song in (real_mixture, real_mixture[:5000], real_mixture[:200000].mean(axis=1)):
        found = engine.separate(song, 44100)
        assert distance(found, separator.separate(song, 44100)) < 1e-4
        assert {stem.shape for stem in found.values()} == {song.shape}


def test_the_latency_of_the_default_network_is_below_six_seconds():
    separator = Separator()
    assert separator.latency / separator.sample_rate < 6


def test_silence_is_kept_in_one_period():
    rng = np.random.default_rng(0)
    states = {
        "short": rng.random((1, 3, 5), "float32"),
        "long": np.tile(rng.random((1, 8, 5), "float32"), (1, 5, 1))[:, 3:],
        "later": np.tile(rng.random((1, 4, 1, 5), "float32"), (1, 1, 40, 1)),
        "other": rng.random((1, 50, 5), "float32"),
        "constant": np.tile(rng.random((1, 1, 5), "float32"), (1, 7, 1)),
    }
    content = silence.pack(states)
    assert len(content) < 4 * (15 + 40 + 20 + 250 + 5) + 200
    found = silence.unpack(content, {name: x.shape for name, x in states.items()})
    for name, state in states.items():
        np.testing.assert_array_equal(found[name], state)
    with pytest.raises(ValueError, match="expected"):
        silence.unpack(content, dict.fromkeys(states, (1, 1, 1)))
    with pytest.raises(ValueError, match="buffer"):
        silence.unpack(content[:-4], {name: x.shape for name, x in states.items()})
    with pytest.raises(ValueError, match="not those"):
        silence.unpack(content, {"short": (1, 300, 5)})


def test_damaged_silence_is_named(file, tmp_path):
    content = file.read_bytes()
    start = content.index(b'{"state_00"')
    (tmp_path / "a.tflite").write_bytes(content[:start] + bytes(40) + content[start + 40 :])
    with pytest.raises(InputError, match=r"a\.tflite: a damaged \.tflite file"):
        Separator(tmp_path / "a.tflite")


def test_steps_are_refused_where_they_cannot_be(random_network, tmp_path):
    config = dataclasses.replace(TABLES["blstm"], cells=4, n_fft=256, hop=128)
    save_network(tmp_path / "net", *random_network(config, ("vocals",)))
    with pytest.raises(InputError, match="takes no steps"):
        export_tflite([tmp_path / "net"], tmp_path / "a.tflite", steps=True)
    with pytest.raises(InputError, match="steps cannot be combined"):
        export_tflite([tmp_path / "net"], tmp_path / "a.tflite", steps=True, resizable=True)
    assert not (tmp_path / "a.tflite").exists()


def test_the_file_holds_the_silence_once(file):
    model = flatbuffer.read(file.read_bytes())
    assert [bytes(x.name) for x in model.metadata].count(TFLITE_SILENCE.encode()) == 1
