"""Two devices give the numbers of one, in processes of their own.

The noise is quiet and the learning rate 1e-4: convolution biases before batch norm have no gradient
but rounding, which Adam scales up to whole steps.
"""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_mmdense.data.datasets import DatasetSpec
from keras_mmdense.errors import InputError
from keras_mmdense.training.config import TrainConfig
from keras_mmdense.training.distribution import replicas
from keras_mmdense.training.model import compiled_model, network_of


def start(backend, *arguments):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    script = Path(__file__).with_name("replicas.py")
    command = [sys.executable, str(script), *map(str, arguments)]
    env = {**os.environ, "KERAS_BACKEND": backend}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)


def results(process, path):
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors[-2000:]
    with np.load(path) as file:
        return dict(file)


def five_steps(backend, devices, model, path):
    return results(start(backend, path, devices, model), path)


def compare(backend, model, folder):
    one, two = (five_steps(backend, n, model, folder / f"{n}.npz") for n in (1, 2))
    assert_equal(one, two)


def assert_equal(one, two):
    assert set(one) == set(two)
    for name, values in one.items():
        atol = 1e-6 if name == "loss" else 1e-5
        np.testing.assert_allclose(two[name], values, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_equal_one(backend, small, tmp_path):
    small.to_json(tmp_path / "small.json")
    compare(backend, tmp_path / "small.json", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_equal_one_with_bands_and_scales(backend, tmp_path):
    compare(backend, "tiny", tmp_path)


@pytest.mark.slow
def test_two_processes_equal_one(small, tmp_path):
    """What docs/training.md says of several machines, as far as one machine can show it."""
    small.to_json(tmp_path / "small.json")
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    files = [tmp_path / f"process{i}.npz" for i in range(2)]
    model = tmp_path / "small.json"
    both = [start("jax", file, 2, model, i, address) for i, file in enumerate(files)]
    try:
        first, second = (results(*pair) for pair in zip(both, files, strict=True))
    finally:
        for process in both:
            process.kill()
    one = five_steps("jax", 1, model, tmp_path / "one.npz")
    assert_equal(one, first)
    assert_equal(one, second)


def test_devices_that_are_not_there_are_named():
    with pytest.raises(InputError, match="99 devices requested, found 1"):
        replicas(99)


def test_clipping_each_device_by_itself_is_refused():
    config = TrainConfig((DatasetSpec("none"),), model="tiny", clip=1.0, devices=2)
    with pytest.raises(InputError, match="clip on several devices"):
        compiled_model(config, network_of(config))
