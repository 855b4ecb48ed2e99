"""One small network, trained nowhere, and its SavedModel."""

import functools

import keras
import pytest
from typer.testing import CliRunner

from keras_mmdense.cli.common import app
from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained import networks
from keras_mmdense.stems import STEMS

WINDOW = 32


def save_tiny(folder, targets=STEMS, seed=0, config=TABLES["tiny"], **sizes):
    keras.utils.set_random_seed(seed)
    network = networks.NetworkSpec(config, tuple(targets), **sizes)
    networks.save_network(folder, network, network.build())
    return folder


@pytest.fixture
def save_network():
    """Writes a small network with random weights and returns its folder, see `save_tiny`."""
    return save_tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("network") / "tiny")


@pytest.fixture(scope="session")
def tiny_source(tiny_folder):
    """The network and the separator that the SavedModel must equal."""
    from keras_mmdense.exporting.source import load_source

    return load_source([tiny_folder], WINDOW)


@pytest.fixture(scope="session")
def command(tiny_folder, tmp_path_factory):
    """Runs `export saved-model` with short windows, over an older export: folder, output."""
    import keras_mmdense.cli.export  # noqa: F401
    from keras_mmdense.exporting.saved_model import export

    out = tmp_path_factory.mktemp("exported") / "mmdense" / "1"
    (out / export.EXTRA).mkdir(parents=True)
    (out / export.SAVED_MODEL_CARD).touch()
    (out / "fingerprint.pb").write_bytes(b"older")
    with pytest.MonkeyPatch.context() as patch:
        short = functools.partial(export.export_saved_model, window=WINDOW)
        patch.setattr(export, "export_saved_model", short)
        result = CliRunner().invoke(app, ["export", "saved-model", str(tiny_folder), str(out)])
    assert result.exit_code == 0, result.output
    return out, result.output


@pytest.fixture(scope="session")
def exported(command):
    """Folder of the SavedModel."""
    return command[0]


@pytest.fixture(scope="session")
def command_output(command):
    """What the command printed."""
    return command[1]


@pytest.fixture(scope="session")
def loaded(exported):
    import tensorflow as tf

    return tf.saved_model.load(exported)
