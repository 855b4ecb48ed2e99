"""What the base install can do, and what it says of the extras that are missing."""

import configparser
import dataclasses
import subprocess
import sys
import venv
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import soundfile
from ai_edge_litert import schema_py_generated as schema
from typer.testing import CliRunner

import keras_mmdense
from keras_mmdense.cli import app
from keras_mmdense.cli.common import tell_terms
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.pretrained.network_card import NetworkCard
from keras_mmdense.pretrained.networks import write_description
from keras_mmdense.separation.model_card import SAVED_MODEL_CARD, TFLITE_CARD, ModelCard
from keras_mmdense.utils.imports import require

ROOT = Path(keras_mmdense.__file__).parents[1]
RESEARCH = NetworkCard("research", "research only (trained on MUSDB18)")


def test_the_version_is_printed_without_a_backend():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"keras-mmdense {keras_mmdense.__version__}\n")
    code = """
import runpy, sys
sys.modules["keras"] = sys.modules["tensorflow"] = sys.modules["scipy"] = None
sys.argv = ["keras_mmdense", "--version"]
runpy.run_module("keras_mmdense", run_name="__main__")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == result.output


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        (["demo"], "matplotlib", "demo"),
        (["demo"], "scipy", "demo"),
        (["synth", "songs"], "scipy", "demo"),
        (["train", "--root", "songs", "--output", "run"], "matplotlib", "train"),
        (["evaluate", "--root", "songs"], "scipy", "eval"),
        (["evaluate", "--root", "songs", "--output", "scores"], "matplotlib", "eval"),
        (["compare", "scores"], "scipy", "eval"),
        (["report", "scores"], "jinja2", "report"),
        (["filters", "net"], "matplotlib", "report"),
        (["beam", "--input", "songs", "--output", "stems"], "apache_beam", "beam"),
        (["export", "tflite", "net", "x.tflite", "--quantize", "int8"], "ai_edge_litert", "export"),
    ],
)
def test_a_missing_package_is_named_before_any_work(tmp_path, monkeypatch, command, module, extra):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(app, command)
    package = module.replace("_", "-")
    assert isinstance(result.exception, InputError), result.output
    hint = f'needs {package}: pip install "keras-mmdense[{extra}]"'
    assert str(result.exception).endswith(hint)
    assert not list(tmp_path.iterdir())
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert package in settings["options.extras_require"][extra]
    assert package not in settings["options"]["install_requires"]


def test_what_is_installed_is_not_asked_for():
    require("a test", "dev", "pytest", "numpy")


def test_research_terms_are_told_once(tmp_path, capsys):
    for name, card in {"net": RESEARCH, "free": NetworkCard("CC0-1.0", "CC0"), "old": None}.items():
        write_card(tmp_path / name, card)
    tell_terms(tmp_path / "net", tmp_path / "free", tmp_path / "old", tmp_path / "net", "x.tflite")
    assert capsys.readouterr().out == f"{tmp_path / 'net'}: {RESEARCH.terms}\n"


def test_research_terms_of_exported_files_are_told(tmp_path, capsys):
    """Those of their model cards, read without a backend."""
    card = ModelCard(("net",), ("vocals",), 44100, 2, 2048, 1024, 1024, 0, license=RESEARCH.terms)
    free = dataclasses.replace(card, license="CC0")
    for name, one in {"saved": card, "free": free}.items():
        file = tmp_path / name / SAVED_MODEL_CARD
        file.parent.mkdir(parents=True)
        file.write_text(one.to_json())
    (tmp_path / "free" / "saved_model.pb").touch()
    builder = flatbuffers.Builder()
    model = schema.ModelT()
    model.buffers, model.metadata = [schema.BufferT()], [schema.MetadataT()]
    model.buffers[0].data = np.frombuffer(card.to_json().encode(), np.uint8)
    model.metadata[0].name, model.metadata[0].buffer = TFLITE_CARD, 0
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    (tmp_path / "net.tflite").write_bytes(builder.Output())
    tell_terms(
        tmp_path / "saved", tmp_path / "free", tmp_path / "net.tflite", tmp_path / "no.keras"
    )
    expected = [f"{tmp_path / name}: {RESEARCH.terms}" for name in ("saved", "net.tflite")]
    warning = "a SavedModel is a program; use only those whose maker you trust"
    expected.insert(1, f"{tmp_path / 'free'}: {warning}")
    assert capsys.readouterr().out.splitlines() == expected
    (tmp_path / "net.tflite").write_bytes(b"no flatbuffer")
    with pytest.raises(InputError, match="net.tflite: not a .tflite file"):
        tell_terms(tmp_path / "net.tflite")


@pytest.mark.parametrize(
    "command",
    [
        ["filters", "net"],
        ["blend", "net", "net", "-o", "out"],
        ["export", "saved-model", "net", "out"],
        ["export", "tflite", "net", "out.tflite"],
        ["export", "web", "net", "out"],
        ["demo", "--model", "net"],
        ["separate", "song.wav", "-o", "stems", "--model", "net"],
    ],
)
def test_commands_tell_research_terms(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    write_card(tmp_path / "net", RESEARCH)  # without weights, so that the work itself is refused
    (tmp_path / "song.wav").touch()
    result = CliRunner().invoke(app, command)
    told = [line for line in result.output.splitlines() if line == f"net: {RESEARCH.terms}"]
    assert len(told) == 1
    assert "network.weights.h5" in str(result.exception)


def write_card(folder, card):
    from keras_mmdense.configs import TABLES
    from keras_mmdense.pretrained.networks import NetworkSpec

    folder.mkdir()
    write_description(folder, NetworkSpec(TABLES["tiny"], ("vocals",)), "", card)


@pytest.mark.slow
def test_a_base_install_separates_a_song(tmp_path, real_mixture):
    """In a virtual environment of its own, with `pip install .` alone."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", ROOT], check=True)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    ).stdout.lower()
    for name in ("scipy", "matplotlib", "jinja2", "musdb", "museval"):
        assert f"\n{name}==" not in listed
    song = real_mixture[: 3 * 44100].clip(-1, 1)
    soundfile.write(tmp_path / "song.wav", song, 44100, subtype="FLOAT")
    command = tmp_path / "venv" / "bin" / "keras-mmdense"
    arguments = ["separate", "song.wav", "-o", "stems", "--model", DEFAULT]
    subprocess.run([command, *arguments], cwd=tmp_path, check=True)
    files = sorted((tmp_path / "stems" / "song").iterdir())
    assert [file.stem for file in files] == ["bass", "drums", "other", "vocals"]
    total = sum(soundfile.read(file)[0] for file in files)
    assert np.corrcoef(total.ravel(), song.ravel())[0, 1] > 0.9
    result = subprocess.run([command, "demo"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2 and 'pip install "keras-mmdense[demo]"' in result.stderr
