import json
import shutil
import time

import numpy as np
import pytest

import keras_mmdense
from keras_mmdense.configs import TABLES
from keras_mmdense.configs.size import _bound, check_size
from keras_mmdense.errors import InputError
from keras_mmdense.models import weights_file
from keras_mmdense.pretrained import catalog, networks
from keras_mmdense.utils.files import MAX_JSON


@pytest.fixture
def saved(tmp_path):
    network = networks.NetworkSpec(TABLES["tiny"], ("vocals", "drums"), bins=65)
    model = network.build()
    networks.save_network(tmp_path / "net", network, model)
    return tmp_path / "net", network, model


def test_save_and_load_give_equal_output(saved):
    folder, network, model = saved
    loaded_network, loaded = networks.load_network(folder)
    x = np.random.default_rng(0).random((1, 9, 65, 2), "float32")
    assert loaded_network == network
    np.testing.assert_array_equal(loaded(x), model(x))
    assert sorted(path.name for path in folder.iterdir()) == ["network.json", "network.weights.h5"]


def test_weights_files_are_smaller_than_those_of_keras(saved, tmp_path):
    folder, _, model = saved
    model.save_weights(tmp_path / "keras.weights.h5")
    size = (folder / "network.weights.h5").stat().st_size
    assert size < 0.6 * (tmp_path / "keras.weights.h5").stat().st_size
    model.load_weights(folder / "network.weights.h5")  # Keras reads them, too


def test_equal_weights_make_equal_files(saved, tmp_path):
    folder, network, model = saved
    time.sleep(1.1)  # HDF5 counts time in whole seconds
    networks.save_network(tmp_path / "again", network, model)
    files = [path / "network.weights.h5" for path in (folder, tmp_path / "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_weights_in_half_precision_are_loaded_in_single(saved, tmp_path):
    folder, network, model = saved
    networks.save_network(tmp_path / "half", network, model, dtype="float16")
    _, loaded = networks.load_network(tmp_path / "half")
    for found, weight in zip(loaded.weights, model.weights, strict=True):
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found.numpy(), np.float16(weight.numpy()))


def test_changed_weights_are_refused(saved):
    folder, network, model = saved
    other = network.build()
    other.save_weights(folder / "network.weights.h5")
    with pytest.raises(InputError, match="sha256"):
        networks.load_network(folder)


@pytest.mark.parametrize("text", ["no json", "[]", "{}", json.dumps({"sha256": "", "table": {}})])
def test_broken_descriptions_are_named(saved, text):
    folder, *_ = saved
    (folder / "network.json").write_text(text)
    with pytest.raises(InputError, match="network.json: not the description"):
        networks.load_network(folder)


def test_missing_weights_are_named(saved):
    folder, *_ = saved
    (folder / "network.weights.h5").unlink()
    with pytest.raises(InputError, match="network.weights.h5: no such file"):
        networks.load_network(folder)


@pytest.mark.parametrize(
    "other",
    [{"name": "mdensenet"}, {"targets": ("vocals",)}, {"channels": 1}],
)
def test_weights_of_another_network_are_refused(saved, other):
    folder, *_ = saved
    arguments = {"name": "tiny", "targets": ("a", "b"), "bins": 65, **other}
    with pytest.raises(InputError, match="another network"):
        keras_mmdense.build(**arguments, weights=folder / "network.weights.h5")


def test_fewer_layers_than_the_file_are_refused(saved, tmp_path):
    """Keras alone would load a longer file's first layers without a word."""
    larger = keras_mmdense.build("mmdensenet", bins=65)
    larger.save_weights(tmp_path / "larger.weights.h5")
    with pytest.raises(InputError, match="another network"):
        weights_file.load_weights(saved[2], tmp_path / "larger.weights.h5")


@pytest.mark.parametrize(
    ("name", "message"), [("missing.weights.h5", "no such"), ("text.weights.h5", "not a")]
)
def test_unreadable_weights_are_named(saved, tmp_path, name, message):
    (tmp_path / "text.weights.h5").write_text("words")
    with pytest.raises(InputError, match=f"{name}: {message}"):
        weights_file.load_weights(saved[2], tmp_path / name)


def test_unknown_networks_are_named():
    with pytest.raises(InputError, match=r"nothing: no trained network.*mmdensenet_4stems"):
        networks.load_network("nothing")


def test_the_shipped_folder_is_self_contained(tmp_path):
    name = networks.list_weights()[0]
    shutil.copytree(catalog.SHIPPED / name, tmp_path / "copy")
    spec, _ = networks.read_description(catalog.SHIPPED / name)
    assert networks.load_network(tmp_path / "copy").spec == spec


def test_shipped_tables_are_within_bounds():
    for table in TABLES.values():
        check_size(table, table.bins, 2)


def test_bounds_are_not_below_what_is_built():
    for name in ("tiny", "mdensenet", "fnn"):
        table = TABLES[name]
        model = keras_mmdense.build(table, channels=2)
        layers, parameters, _ = _bound(table, table.bins, 2)
        assert parameters >= keras_mmdense.models.registry.parameters(model)
        assert layers <= len(model.layers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bins": 2**29}, "bins must be a whole number"),
        ({"bins": "x"}, "bins must be a whole number"),
        ({"bins": 1025.0}, "bins must be a whole number"),
        ({"channels": 10**9}, "channels must be a whole number"),
        ({"channels": 2.5}, "channels must be a whole number"),
        *(({"targets": x}, "targets must be") for x in ([], [1], "ab", ["a", "a"], ["../x"])),
        ({"table": {"name": "a/b"}}, "table's name must be"),
        ({"table": {"name": 5}}, "table's name must be"),
        ({"table": {"final": {"k": 10**9, "layers": 1}}}, "parameters; the limit is"),
        ({"table": {"final": {"k": 1, "layers": 100_000}}}, "layers; the limit is"),
    ],
)
def test_sizes_and_names_are_checked_before_anything_is_built(
    tmp_path, monkeypatch, change, message
):
    table = {**TABLES["tiny"].to_dict(), **change.get("table", {})}
    content = {"targets": ["vocals"], "bins": 1025, "channels": 2, "sha256": "", **change}
    (tmp_path / "network.json").write_text(json.dumps({**content, "table": table}))
    monkeypatch.setattr(networks, "build", lambda *args, **options: pytest.fail("was built"))
    with pytest.raises(InputError, match=f"network.json: not the description.*{message}"):
        networks.load_network(tmp_path)


def test_deep_json_is_refused(tmp_path):
    (tmp_path / "network.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="network.json: not the description"):
        networks.load_network(tmp_path)


def test_a_huge_description_is_refused_unread(tmp_path):
    with open(tmp_path / "network.json", "wb") as file:
        file.truncate(MAX_JSON + 1)
    with pytest.raises(InputError, match=r"network\.json: .*larger than 256 MB"):
        networks.load_network(tmp_path)
