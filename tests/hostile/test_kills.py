"""Every command ended at random moments by INT, TERM and KILL, then run again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained.networks import NetworkSpec, save_network
from keras_mmdense.stems import STEMS

pytestmark = pytest.mark.hostile
ROUNDS = 3
KILLS = int(os.environ.get("KERAS_MMDENSE_KILLS", "5"))
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A network, songs of two seconds with their stems, and scores."""
    folder = tmp_path_factory.mktemp("kills")
    spec = NetworkSpec(TABLES["tiny"], STEMS)
    save_network(folder / "net", spec, spec.build())
    run("synth", folder / "songs", "--tracks", 3, "--seconds", 2).wait()
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (44100, 2))
    (folder / "in").mkdir()
    for number in range(10):
        soundfile.write(folder / "in" / f"{number}.wav", x, 44100)
    run(*commands(folder, folder / "scores")["evaluate"]).wait()
    return folder


def commands(folder, out):
    sizes = ("--epochs", 3, "--steps", 3, "--batch", 1, "--frames", 16)
    return {
        "separate": ("separate", folder / "in", "-o", out, "--model", folder / "net", "--resume"),
        "train": ("train", "--root", folder / "songs", "--model", "tiny", "--output", out, *sizes),
        "evaluate": ("evaluate", "--root", folder / "songs", "--model", folder / "net")
        + ("--output", out, "--oracles", "irm"),
        "saved-model": ("export", "saved-model", folder / "net", out / "model"),
        "tflite": ("export", "tflite", folder / "net", out / "a.tflite", "--seconds", 1),
        "report": ("report", folder / "scores", "-o", out / "page.html"),
    }


def run(*arguments):
    code = "from keras_mmdense.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, preexec_fn=heed_ctrl_c, **pipes)


def heed_ctrl_c():
    """A shell lets its background jobs ignore it, and these would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def contents(folder):
    """Files that are nobody's temporary ones, without logs, whose names tell the time."""
    files = (path for path in folder.rglob("*") if path.is_file())
    relative = {path.relative_to(folder): path for path in files}
    return {name: relative[name] for name in relative if not any(map(_hidden, name.parts))}


def _hidden(part):
    return part.startswith(".") or part in ("logs", "lock")


def temporary(folder):
    return list(folder.rglob(".*"))


@pytest.mark.parametrize("number", STATUS, ids=lambda number: number.name)
@pytest.mark.parametrize("name", commands(Path("in"), Path("out")))
def test_a_signal_at_a_random_moment(place, tmp_path, name, number):
    rng, whole, out = random.Random(f"{name} {number}"), tmp_path / "whole", tmp_path / "out"
    whole.mkdir()
    start = time.monotonic()
    assert run(*commands(place, whole)[name]).wait() == 0
    seconds = time.monotonic() - start
    out.mkdir()
    for _ in range(ROUNDS):
        process = run(*commands(place, out)[name])
        time.sleep(rng.uniform(0.1, 1) * seconds)
        process.send_signal(number)
        assert process.wait(60) in (0, STATUS[number], -number)
        if number != signal.SIGKILL:
            assert not temporary(out)
        for path in contents(out).values():
            assert path.stat().st_size
    process = run(*commands(place, out)[name])
    assert process.wait() == 0, process.stderr.read()
    found, expected = contents(out), contents(whole)
    assert set(found) == set(expected)
    for file, path in found.items():
        if file.suffix in (".h5", ".wav"):
            assert path.read_bytes() == expected[file].read_bytes(), file
        if file.name == "network.json":  # its card tells the time and the folder
            some, others = (json.loads(x.read_text()) for x in (path, expected[file]))
            assert some | {"card": None} == others | {"card": None}


def result(folder):
    """What a run was for: trained weights, or a table without the times in it."""
    scores = folder / "scores.json"
    if not scores.exists():
        return (folder / "network.weights.h5").read_bytes()
    systems = json.loads(scores.read_text())["systems"]
    songs = [song | {"seconds": None} for system in systems.values() for song in system["songs"]]
    return [system["summary"] for system in systems.values()], songs


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_many_kills(place, tmp_path, name):
    rng, whole, out = random.Random(name), tmp_path / "whole", tmp_path / "0"
    start = time.monotonic()
    assert run(*commands(place, whole)[name]).wait() == 0
    seconds = time.monotonic() - start
    killed, complete = 0, False
    while killed < KILLS or not complete:
        process = run(*commands(place, out)[name])
        try:
            process.wait(rng.uniform(0.3, 1) * seconds if killed < KILLS else 600)
        except subprocess.TimeoutExpired:
            process.kill()
        complete = process.wait() == 0
        if complete:
            assert result(out) == result(whole)
            out = tmp_path / str(killed)
        else:
            assert process.returncode == -signal.SIGKILL, process.stderr.read()
            killed += 1
