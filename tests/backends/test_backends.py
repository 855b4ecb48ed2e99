"""The same numbers, and a training run, on TensorFlow, JAX and torch."""

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import keras_mmdense
from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained.networks import LoadedNetwork, NetworkSpec
from keras_mmdense.separation.separator import Separator
from keras_mmdense.synthesis.songs import write_songs

REOPEN = Path(__file__).with_name("reopen.py")

# Without these, JAX spends minutes on compiling one sampler for every shape of kernel.
COMPILE_FAST = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
    "JAX_THREEFRY_PARTITIONABLE": "0",
}


def python(backend, *arguments):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    env = {**os.environ, **COMPILE_FAST, "KERAS_BACKEND": backend}
    run = [sys.executable, *map(str, arguments)]
    result = subprocess.run(run, capture_output=True, text=True, check=False, env=env)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def outputs(backend, folder):
    path = folder / f"{backend}.npz"
    python(backend, Path(__file__).with_name("outputs.py"), path)
    return dict(np.load(path))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return outputs("tensorflow", tmp_path_factory.mktemp("tensorflow"))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_outputs_are_equal(backend, expected, tmp_path):
    results = outputs(backend, tmp_path)
    assert str(results.pop("backend")) == backend
    assert set(results) == set(expected) - {"backend"}
    for name, values in results.items():
        assert np.abs(expected[name]).max() > 1e-3
        np.testing.assert_allclose(values, expected[name], atol=1e-4, err_msg=name)


def test_a_fresh_process_opens_a_network_and_the_whole_graph(tmp_path):
    """`keras.saving.load_model`, after nothing but `import keras_mmdense`."""
    write(tmp_path, {"network": keras_mmdense.build("tiny", bins=65)}, (1, 16, 65, 2))
    write_graph(tmp_path)
    python("tensorflow", REOPEN, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_fresh_process_opens_every_network(backend, tmp_path):
    small = {"fnn": {"hidden": 8}, "blstm": {"cells": 4}}
    parts = {name: dataclasses.replace(TABLES[name], **small[name]) for name in small}
    small["blend"] = {"first": parts["fnn"], "second": parts["blstm"]}
    names = keras_mmdense.list_models()
    models = {name: keras_mmdense.build(name, bins=65, **small.get(name, {})) for name in names}
    write(tmp_path, models, (1, 16, 65, 2))
    write_graph(tmp_path)
    python(backend, REOPEN, tmp_path)


def write_graph(folder):
    """Writes a separation graph of one target and the rest."""
    network = NetworkSpec(TABLES["tiny"], ("vocals",))
    separator = Separator.from_networks([LoadedNetwork(network, network.build())], window=64)
    assert len(separator.card.stems) == 2
    samples = 2 * separator.card.context + 5000
    write(folder, {"graph": separator.graph}, (1, samples, 2))


def write(folder, models, shape):
    """Writes models, each with an input and what it makes of it."""
    x = np.random.default_rng(0).random(shape, "float32")
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", x=x, y=ops.convert_to_numpy(model(x)))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_train_command_runs(backend, tmp_path):
    write_songs(tmp_path / "songs", 3, 3, seed=1)
    code = "from keras_mmdense.cli import main; main()"
    out = ["--root", tmp_path / "songs", "--output", tmp_path / "run", "--model", "tiny"]
    sizes = ["--epochs", 1, "--steps", 2, "--batch", 1, "--frames", 16]
    python(backend, "-c", code, "train", *out, *sizes)
    assert f'"backend": "{backend}"' in (tmp_path / "run" / "run.json").read_text()
    assert (tmp_path / "run" / "network.weights.h5").stat().st_size
