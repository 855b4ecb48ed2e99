"""The command in processes of its own: without TensorFlow, whether it is installed or not."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.separation.engines import compiled

ROOT = Path(__file__).parents[2]
PACKAGES = ("ai-edge-litert", "numpy", "soundfile", "soxr", "typer", "rich", "filelock")
CODE = """
import sys
from keras_mmdense.cli import main
try:
    main()
finally:
    heavy = {"tensorflow", "keras", "h5py", "jax", "torch", "numpy", "apache_beam"}
    print("loaded:", *sorted(heavy & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def compiled_home(tmp_path_factory):
    """A home with a file for LiteRT in its cache, unless the package has one: a copy of the song.

    Gives the variables of the environment and the names of the stems.
    """
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "HOME": str(home), "LOCALAPPDATA": str(home)}
    environment |= {"XDG_CACHE_HOME": str(home / ".cache")}
    if compiled.find_compiled(DEFAULT) == compiled.SHIPPED / DEFAULT / compiled.COMPILED:
        return environment, ("bass", "drums", "other", "vocals")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "LOCALAPPDATA", "XDG_CACHE_HOME"):
            patch.setenv(name, environment[name])
        path = compiled.cached_file(DEFAULT)
    path.parent.mkdir(parents=True)
    path.write_bytes(copying_graph())
    return environment, ("vocals",)


def copying_graph():
    """A TFLite file whose only stem is the song."""
    import tensorflow as tf

    from keras_mmdense.exporting.tflite.flatbuffer import finish
    from keras_mmdense.separation.model_card import ModelCard

    card = ModelCard(("copy",), ("vocals",), 44100, 2, n_fft=256, hop=128, window=8192, context=256)

    class Copy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, 8192 + 512, 2], tf.float32, "waveform")])
        def serving_default(self, waveform):
            return {"vocals": 1.0 * waveform[:, 256:-256]}

    module = Copy()
    concrete = module.serving_default.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    return finish(converter.convert(), card)


@pytest.fixture(scope="module")
def clip(tmp_path_factory, real_mixture):
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, real_mixture[:44100], 44100, "FLOAT")
    return path


def separates(python, clip, home, out):
    environment, stems = home
    command = [python, "-c", CODE, "separate", str(clip), "-o", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=out.parent)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""  # not a word of LiteRT's
    assert run.stdout.splitlines()[-1] == "loaded: numpy", run.stdout
    written = {path.stem: soundfile.read(path)[0] for path in (out / "clip").glob("*.wav")}
    assert sorted(written) == list(stems)
    song, _ = soundfile.read(clip)
    np.testing.assert_allclose(sum(written.values()), song, atol=1e-3)


def test_separate_imports_neither_tensorflow_nor_keras(clip, compiled_home, tmp_path):
    separates(sys.executable, clip, compiled_home, tmp_path / "out")


def test_help_loads_no_library_of_numbers():
    run = subprocess.run(
        [sys.executable, "-c", CODE, "separate", "--help"], capture_output=True, text=True
    )
    assert run.returncode == 0 and "--engine" in run.stdout
    assert run.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.slow
def test_an_environment_without_tensorflow_separates(clip, compiled_home, tmp_path):
    """The small install of the README, in an environment that has nothing else."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "keras_mmdense", source / "keras_mmdense")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    venv.create(tmp_path / "venv", with_pip=True)
    folder = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [folder / "python", "-m", "pip", "install", "-q"]
    subprocess.run([*pip, *PACKAGES], check=True)
    subprocess.run([*pip, "--no-deps", source], check=True)
    listed = subprocess.run([*pip[:3], "list"], capture_output=True, text=True, check=True).stdout
    assert not {"tensorflow", "keras", "h5py"} & set(listed.split())
    separates(str(folder / "python"), clip, compiled_home, tmp_path / "out")
    command = [folder / "python", "-c", CODE, "separate", clip, "-o", "x", "--engine", "tensorflow"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 2 and "which is not installed" in run.stderr, run.stderr
