"""Which engine runs what, and that it makes no difference to the stems."""

import os

import numpy as np
import pytest

from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.separation.engines import compiled, litert
from keras_mmdense.separation.engines.engine import Engine
from keras_mmdense.separation.loading import open_engine
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.separator import Separator

CARD = ModelCard(("tiny",), ("vocals",), 8000, 2, n_fft=256, hop=128, window=1024, context=256)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a package that ships no `.tflite` files."""
    monkeypatch.setattr(compiled, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(compiled, "COMPILED", "none.tflite")
    return tmp_path


def opened(monkeypatch):
    """Which engine `open_engine` chooses, without loading anything."""
    litert_engine = Engine("litert", CARD, lambda: np.asarray)
    monkeypatch.setattr(litert, "tflite_engine", lambda path: litert_engine)
    keras = Engine("tensorflow", CARD, lambda: np.asarray)
    monkeypatch.setattr("keras_mmdense.separation.loading._tensorflow", lambda *args: keras)
    return lambda *args, **options: open_engine(*args, **options).name


def test_threads_are_those_that_the_environment_asks_for(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    cores = litert.usable_cores()
    assert 1 <= cores <= os.cpu_count()
    for asked, threads in (("1", 1), (str(cores + 3), cores + 3), ("0", cores), ("2,3", cores)):
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        assert litert.usable_cores() == threads


def test_auto_takes_litert_where_it_can(cache, monkeypatch):
    choose = opened(monkeypatch)
    assert choose(DEFAULT) == "tensorflow"
    compiled.cached_file(DEFAULT).write_bytes(b"")
    assert choose(DEFAULT) == choose([DEFAULT]) == choose(DEFAULT, engine="litert") == "litert"
    assert choose(DEFAULT, engine="tensorflow") == "tensorflow"
    assert choose(DEFAULT, window=64) == choose([DEFAULT, DEFAULT]) == "tensorflow"
    assert choose("mmdensenet", weights="a.weights.h5") == "tensorflow"
    monkeypatch.setattr(compiled, "can_run", lambda: False)
    assert choose(DEFAULT) == "tensorflow"


def test_the_file_in_the_package_comes_first(cache, monkeypatch):
    cached = compiled.cached_file(DEFAULT)
    cached.write_bytes(b"")
    assert compiled.find_compiled(DEFAULT) == cached
    monkeypatch.setattr(compiled, "COMPILED", compiled.WEIGHTS)  # any file that is there
    assert compiled.find_compiled(DEFAULT) == compiled.SHIPPED / DEFAULT / compiled.WEIGHTS


def test_the_cache_keeps_versions_and_weights_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "SHIPPED", tmp_path)
    names = set()
    for version, weights in (("1", b"a"), ("2", b"a"), ("2", b"b")):
        monkeypatch.setattr("keras_mmdense.__version__", version)
        (tmp_path / "net").mkdir(exist_ok=True)
        (tmp_path / "net" / compiled.WEIGHTS).write_bytes(weights)
        names.add(compiled.cached_file("net").name)
    assert len(names) == 3


def test_a_folder_called_like_a_shipped_network_is_not_one(cache, tmp_path):
    assert compiled.is_shipped(DEFAULT)
    for name in (tmp_path / DEFAULT, f"./{DEFAULT}", f"../pretrained/{DEFAULT}", "", ".", "no"):
        assert not compiled.is_shipped(str(name)), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "onnx"}, "engine must be one of auto, litert, tensorflow, received 'onnx'"),
        ({"engine": "litert"}, f"{DEFAULT}: no .tflite file yet"),
        ({"engine": "litert", "window": 64}, "with its own weights and window"),
    ],
)
def test_what_an_engine_cannot_run(cache, arguments, message):
    with pytest.raises(InputError, match=message):
        Separator(DEFAULT, **arguments)


def test_litert_takes_files_and_shipped_networks_only(cache, monkeypatch, tmp_path):
    (tmp_path / "a.tflite").touch()
    with pytest.raises(InputError, match=r"a\.tflite: runs in LiteRT only"):
        Separator.from_pretrained(tmp_path / "a.tflite", engine="tensorflow")
    with pytest.raises(InputError, match="takes a shipped network or a .tflite file"):
        Separator.from_pretrained(tmp_path, engine="litert")
    monkeypatch.setattr(compiled, "can_run", lambda: False)
    with pytest.raises(InputError, match="LiteRT is not installed"):
        Separator.from_pretrained(DEFAULT, engine="litert")


def test_a_separator_of_a_function_has_no_keras_graph():
    separator = Separator.from_function(lambda x: x[:, None, 256:-256], CARD)
    assert separator.engine.name == "function" and not hasattr(separator, "graph")
    x = np.random.default_rng(0).standard_normal((3000, 2)).astype("float32")
    np.testing.assert_array_equal(separator.separate(x, 8000)["vocals"], x)


def assert_close(stems, expected, song):
    """What 8 bits change is 30 dB below the song, and the stems still sum to it."""
    assert list(stems) == list(expected)
    for name, stem in stems.items():
        error = np.square(stem - expected[name]).sum() / np.square(song).sum()
        assert 0 < error < 1e-3, (name, error)
    np.testing.assert_allclose(sum(stems.values()), song, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_stems_are_close_in_every_engine(cache, real_mixture):
    """Also where the file in the package is older than the code or the weights."""
    from keras_mmdense.exporting.tflite.cache import fill_cache

    expected = Separator(engine="tensorflow").separate(real_mixture, 44100)
    assert fill_cache(DEFAULT) == compiled.cached_file(DEFAULT)
    separator = Separator()
    assert separator.engine.name == "litert"
    assert separator.card.weights == (
        compiled.sha256(compiled.SHIPPED / DEFAULT / compiled.WEIGHTS),
    )
    assert_close(separator.separate(real_mixture, 44100), expected, real_mixture)


@pytest.mark.slow
def test_stems_are_the_same_in_float32(tmp_path, real_mixture):
    from keras_mmdense.exporting.tflite.export import export_tflite

    export_tflite([DEFAULT], tmp_path / "a.tflite", steps=True)
    stems = Separator(tmp_path / "a.tflite").separate(real_mixture, 44100)
    expected = Separator(engine="tensorflow").separate(real_mixture, 44100)
    assert list(stems) == list(expected)
    for name, stem in stems.items():
        np.testing.assert_allclose(stem, expected[name], rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [DEFAULT, "mdensenet_cws_vocals"])
def test_the_file_in_the_package_gives_the_stems_of_the_weights(name, real_mixture):
    if not (compiled.SHIPPED / name / compiled.COMPILED).is_file():
        pytest.skip("no file in the package")
    separator = Separator(name, engine="litert")
    expected = Separator(name, engine="tensorflow").separate(real_mixture, 44100)
    assert_close(separator.separate(real_mixture, 44100), expected, real_mixture)
