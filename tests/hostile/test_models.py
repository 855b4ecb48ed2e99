"""Models from strangers: refused before they build, allocate, run or write anything."""

import json
import math
import zipfile

import h5py
import numpy as np
import pytest

from keras_mmdense.configs import TABLES, ModelConfig
from keras_mmdense.errors import InputError
from keras_mmdense.models import registry
from keras_mmdense.models.weights_file import load_weights
from keras_mmdense.pretrained import networks
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.training.checkpoint import load_checkpoint, save_checkpoint

HUGE = (2**31, 10**12, 10**30, -1, 0, 1.5, "x", None, [], {}, math.inf, math.nan, True)
CARD = {
    **{"format": "keras_mmdense model 1", "network": ["a"], "stems": ["vocals"], "channels": 2},
    **{"sample_rate": 8000, "n_fft": 256, "hop": 128, "window": 1024, "context": 256},
    "weights": [],
}


@pytest.mark.parametrize("value", HUGE, ids=map(repr, HUGE))
@pytest.mark.parametrize("field", ["sample_rate", "channels", "n_fft", "hop", "window"])
def test_numbers_of_a_card(field, value):
    with pytest.raises(InputError, match=f"card.json: .*{field} must be a whole number"):
        ModelCard.from_json(json.dumps({**CARD, field: value}), "card.json")


@pytest.mark.parametrize("value", HUGE, ids=map(repr, HUGE))
@pytest.mark.parametrize(
    "field", ["sample_rate", "n_fft", "hop", "bn_momentum", "subbands", "adjacent"]
)
def test_numbers_of_a_table(field, value):
    with pytest.raises(ValueError, match="must|does not fit"):
        ModelConfig.from_dict({**TABLES["mdensenet"].to_dict(), field: value})


def refuse_to_build(*args, **options):
    pytest.fail("was built")


TINY = TABLES["tiny"].to_dict()
FIRST = TINY["branches"][0]
TABLE_CHANGES = {
    "layers": {"final": {"k": 1, "layers": 10**6}},
    "maps": {"final": {"k": 10**9, "layers": 1}},
    "no branches": {"branches": []},
    "branches of words": {"branches": ["a"]},
    "a branch of nothing": {"branches": [{}]},
    "a band of words": {"branches": [{**FIRST, "band": ["a", None]}]},
    "many scales": {"branches": [{**FIRST, "scales": 10**9}]},
    "a large kernel": {"final_kernel": [10**6, 10**6]},
    "a kernel of words": {"final_kernel": "ab"},
    "another family": {"family": "lambda"},
    "a family of lists": {"family": []},
    "an unknown field": {"__class__": "os.system"},
    "a name that climbs": {"name": "../../x"},
    "a name of nothing": {"name": ""},
}


@pytest.mark.parametrize("change", TABLE_CHANGES.values(), ids=TABLE_CHANGES)
@pytest.mark.parametrize("as_network", [True, False], ids=["network.json", "table.json"])
def test_tables(tmp_path, monkeypatch, change, as_network):
    table = {**TINY, **change}
    if as_network:
        monkeypatch.setattr(networks, "build", refuse_to_build)
        content = {"table": table, "targets": ["vocals"], "bins": 1025, "channels": 2, "sha256": ""}
        (tmp_path / "network.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match="network.json: "):
            networks.load_network(tmp_path)
    else:
        monkeypatch.setattr(registry, "_assemble", refuse_to_build)
        (tmp_path / "table.json").write_text(json.dumps(table))
        with pytest.raises(InputError, match="table.json: "):
            registry.build(str(tmp_path / "table.json"))


TEXTS = {
    "empty": "",
    "words": "words",
    "list": "[]",
    "number": "1",
    "deep list": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
    "zeros": "\0" * 1000,
    "not UTF-8": b"\xff\xfe",
    "half": '{"table": {',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("name", ["network.json", "table.json"])
def test_texts(tmp_path, name, text):
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        if name == "network.json":
            networks.load_network(tmp_path)
        else:
            registry.model_config(str(tmp_path / name))


class Weights:
    """What `load_weights` asks of a model."""

    name = "standin"
    weights = (np.zeros((3, 2)),)

    def load_weights(self, path):
        pytest.fail("were loaded")


def external(file, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(48))
    file.create_dataset("a", (3, 2), "float64", external=[(str(tmp_path / "secret"), 0, 48)])


def virtual(file, tmp_path):
    layout = h5py.VirtualLayout((3, 2), "float64")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "a", shape=(3, 2))
    file.create_virtual_dataset("a", layout)


def linked(file, tmp_path):
    file["a"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "a")


def terabytes(file, tmp_path):
    file.create_dataset("a", (10**6, 10**6), "float64", chunks=(1000, 1000))


def more(file, tmp_path):
    for name in "ab":
        file[name] = np.zeros((3, 2))


@pytest.mark.parametrize("make", [external, virtual, linked, terabytes, more])
def test_weights(tmp_path, make):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        make(file, tmp_path)
    with pytest.raises(InputError, match=r"a\.weights\.h5: "):
        load_weights(Weights(), path)


@pytest.mark.parametrize("content", [b"", b"words", b"\x89HDF\r\n\x1a\n" + bytes(99)])
def test_weights_that_are_none(tmp_path, content):
    (tmp_path / "a.weights.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.weights\.h5: not a"):
        load_weights(Weights(), tmp_path / "a.weights.h5")


class Variable:
    shape = (3, 2)

    def __array__(self, *_, **__):
        return np.zeros(self.shape, "float32")

    def assign(self, value):
        pytest.fail("was assigned")


def claims(shape, kind="<f4"):
    """An array whose header claims more than there is."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()


CHECKPOINTS = {
    "no file": None,
    "words": b"words",
    "terabytes": {"00000.npy": claims((10**6, 10**6))},
    "a long text": {"state.npy": claims((), "<U1000000000000")},
    "objects": {"state.npy": claims((), "|O"), "00000.npy": claims((3, 2), "|O")},
    "no arrays": {"state.npy": b"words"},
    "nothing": {},
}


@pytest.mark.parametrize("content", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_checkpoints(tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(path, [Variable()])


# Places in the central directory of a zip file: version needed, flags (encrypted), method.
@pytest.mark.parametrize(("place", "value"), [(6, 0xFF), (8, 1), (10, 99)])
def test_checkpoints_that_zipfile_cannot_read(tmp_path, place, value):
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, [Variable()], {"a": 1})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + place] = value
    path.write_bytes(data)
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(path, [Variable()])


def test_checkpoints_of_words(tmp_path):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, state=np.array("{}"), **{"00000": np.full((3, 2), "a")})
    with pytest.raises(InputError, match="expected arrays of numbers"):
        load_checkpoint(path, [Variable()])


@pytest.mark.parametrize("place", range(0, 900, 30))
def test_checkpoints_with_a_flipped_byte(tmp_path, place):
    path, taken = tmp_path / "checkpoint.npz", []
    variable = type("Kept", (Variable,), {"assign": lambda self, value: taken.append(value)})()
    save_checkpoint(path, [variable], {"a": 1})
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 0xFF
    path.write_bytes(data)
    try:
        load_checkpoint(path, [variable])
    except InputError as error:
        assert "checkpoint.npz: " in str(error)
        assert not taken
