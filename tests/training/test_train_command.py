"""`keras-mmdense train` as a person runs it, stops it and runs it again."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_mmdense import cli
from keras_mmdense.synthesis.songs import write_songs

SIZES = ("--steps", 6, "--batch", 2, "--frames", 16, "--learning-rate", 0.01)


def start(*arguments):
    code = "from keras_mmdense.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def train(*arguments, status=0):
    process = start(*arguments)
    printed, _ = process.communicate()
    assert process.returncode == status, printed[-3000:]
    return printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("command")
    write_songs(folder / "songs", 6, 3, seed=0)
    small.to_json(folder / "small.json")
    return folder


def arguments(folder, output, epochs, model=None):
    root = ("--root", folder / "songs", "--output", folder / output, "--cache", folder / "cache")
    return (*root, "--model", model or folder / "small.json", "--epochs", epochs, *SIZES)


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "state"}


def kill_while_training(command, output, epochs):
    """Kills the command at any moment between its first and its last checkpoint."""
    process = start(*command)
    checkpoint, run = output / "checkpoint.npz", output / "run.json"
    while not checkpoint.exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.4))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    done = json.loads(run.read_text())
    assert done["epochs_done"] < epochs and not done["finished"]


def kill_and_resume(folder, epochs, model=None, *options):
    whole = (*arguments(folder, "whole", epochs, model), *options)
    stopped = (*arguments(folder, "stopped", epochs, model), *options)
    kill_while_training(stopped, folder / "stopped", epochs)
    train(*whole)
    train(*stopped)
    expected, found = (arrays(folder / name / "checkpoint.npz") for name in ("whole", "stopped"))
    assert set(expected) == set(found)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name, strict=True)
    for name in ("network.weights.h5", "curve.csv"):
        files = [(folder / run / name).read_bytes() for run in ("whole", "stopped")]
        assert files[0] == files[1], name
    assert "epochs are done" in train(*stopped)


def test_killed_and_started_again_it_ends_with_the_same_weights(folder):
    plateau = ("--schedule", "plateau", "--patience", 1, "--sdr-every", 3, "--optimizer", "rmsprop")
    kill_and_resume(folder, 9, None, *plateau)
    rows = list(csv.DictReader((folder / "whole" / "curve.csv").open()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 10))
    assert [bool(row["val_sdr_vocals"]) for row in rows] == [False, False, True] * 3
    run = json.loads((folder / "stopped" / "run.json").read_text())
    assert run["finished"] and run["epochs_done"] == 9 and run["training_seconds"] > 0
    assert run["audio_seconds"] == pytest.approx(9 * 6 * 2 * 15 * 1024 / 44100, abs=0.1)
    line = train(*arguments(folder, "stopped", 10, None), *plateau, status=2)
    assert "epochs is 9, not 10" in line and line.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_killed_and_started_again_with_bands_and_scales(folder, tmp_path, precision):
    (tmp_path / "songs").symlink_to(folder / "songs")
    kill_and_resume(tmp_path, 12, "tiny", "--precision", precision, "--early-stopping", 9)


def test_settings_come_from_a_file_and_the_command_line_overrides_them(folder, tmp_path):
    settings = {
        "model": str(folder / "small.json"),
        "targets": ["drums", "bass"],
        "datasets": [{"root": str(folder / "songs"), "weight": 2.0}],
        "epochs": 9,
        "steps": 2,
        "batch": 1,
        "frames": 8,
        "augment": ["chunks"],
        "clip": 1.0,
        "precision": "mixed_bfloat16",
    }
    (tmp_path / "run.json").write_text(json.dumps(settings))
    given = ("--config", tmp_path / "run.json", "--epochs", 1, "--output", tmp_path / "run")
    train(*given, "--cache", folder / "cache", "--early-stopping", 3)
    found = json.loads((tmp_path / "run" / "run.json").read_text())
    settings |= {"epochs": 1, "early_stopping": 3}
    datasets, (dataset,) = settings.pop("datasets"), found.pop("datasets")
    assert dataset["root"] == datasets[0]["root"] and dataset["weight"] == 2.0
    assert {name: found[name] for name in settings} == settings
    network = json.loads((tmp_path / "run" / "network.json").read_text())
    assert network["targets"] == ["drums", "bass"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            ("--root", "songs", "--optimizer", "adagrad"),
            "optimizer must be one of adam, muon, rmsprop",
        ),
        (("--root", "songs", "--augment", "gain,pitch"), "augment must be distinct names of"),
        (("--root", "songs", "--batch", "3", "--devices", "2"), "multiple of 2 devices"),
        (("--root", "songs", "--target", "guitar"), "targets must be distinct names of vocals"),
        (("--config", "missing.json"), "missing.json: No such file"),
        (("--config", "list.json"), "list.json: expected a JSON object, found list"),
        (("--config", "typo.json"), "unknown setting 'epoch'"),
        ((), "no songs to train on: use --root"),
    ],
)
def test_settings_that_do_not_work_are_named(folder, monkeypatch, capsys, given, expected):
    (folder / "list.json").write_text("[]")
    (folder / "typo.json").write_text('{"epoch": 3}')
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["keras-mmdense", "train", *given, "--output", "out"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and expected in lines[0], lines
    assert not (folder / "out").exists()


def test_a_network_of_another_command_is_not_overwritten(folder, tmp_path):
    (tmp_path / "network.json").write_text("{}")
    given = (*arguments(folder, "x", 1)[:2], "--model", "tiny", "--output", tmp_path)
    line = train(*given, status=2)
    assert "holds a network without a checkpoint" in line
    assert [path.name for path in tmp_path.iterdir()] == ["network.json"]


def test_help_is_grouped():
    text = train("--help")
    assert all(
        title in text
        for title in ("Data and model", "Schedule", "Optimization", "Validation", "Hardware")
    )
