"""Arguments, settings and runs that a person may mistype or a stranger may send."""

import copy
import json
import os
import signal
import sys

import pytest

from keras_mmdense import cli
from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.protocols import METRICS


@pytest.fixture
def fails(tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder: it ends in one line with these words, status 2."""
    monkeypatch.chdir(tmp_path)

    def run(words, *arguments):
        monkeypatch.setattr(sys, "argv", ["keras-mmdense", *map(str, arguments)])
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SystemExit) as end:
            cli.main()
        lines = capsys.readouterr().err.strip().splitlines()
        assert end.value.code == 2 and len(lines) == 1, lines
        assert lines[0].startswith("keras-mmdense: error: ") and words in lines[0], lines
        assert sorted(tmp_path.rglob("*")) == before

    return run


SEPARATE = ("separate", "a.wav", "-o", "out")
TRAIN = ("train", "--root", "songs", "--output", "out")
ARGUMENTS = [
    ("a file name is empty", "separate", "", "-o", "out"),
    ("unknown format 'exe'", *SEPARATE, "--format", "exe"),
    ("has no subtype 'PCM_99'", *SEPARATE, "--subtype", "PCM_99"),
    ("--two-stems cannot be combined", *SEPARATE, "--two-stems", "vocals", "--residual"),
    ("file name template", *SEPARATE, "--filename", "{song}"),
    ("below the output folder", *SEPARATE, "--filename", "../{song}/{stem}"),
    ("a different folder than the songs", "separate", ".", "-o", "."),
    ("no audio files in this folder", "separate", ".", "-o", "out"),
    ("no trained network", *SEPARATE, "--model", "nothing"),
    ("a.tflite: no such file", *SEPARATE, "--model", "a.tflite"),
    ("a.keras: no such file", *SEPARATE, "--model", "a.keras"),
    *(
        ("--seconds must be a number", "synth", "songs", f"--seconds={value}")
        for value in ("inf", "nan", "1e12", "0", "-1", "1e-9")
    ),
    ("seed must be a whole number from 0 to 4294967295", *TRAIN, "--seed", "99999999999"),
    ("learning_rate must be a number", *TRAIN, "--learning-rate", "inf"),
    ("clip must be a number", *TRAIN, "--clip", "inf"),
    ("unknown model 'lambda'", *TRAIN, "--model", "lambda"),
    ("no such table file", *TRAIN, "--model", "missing.json"),
    ("songs: no such folder", *TRAIN),
    ("none: no such folder", "evaluate", "--root", "none"),
    ("nothing: expected scores.json", "report", "nothing"),
    ("nothing: expected scores.json", "compare", "nothing"),
    ("name a folder in it", "export", "saved-model", "nothing", "."),
    ("ends in .tflite", "export", "tflite", "nothing", "a.txt"),
    ("ends in .png", "filters", "nothing", "-o", "a.txt"),
    ("the share of the first", "blend", "a", "b", "-o", "out", "--share", "nan"),
]


@pytest.mark.parametrize("case", ARGUMENTS, ids=lambda case: " ".join(case[1:]))
def test_arguments(fails, case):
    fails(*case)


@pytest.mark.parametrize("command", ["synth", "train", "separate"])
def test_a_file_in_place_of_the_output(fails, tmp_path, command):
    (tmp_path / "file").touch()
    (tmp_path / "a.wav").touch()
    arguments = {
        "synth": ("synth", "file/out"),
        "train": (*TRAIN[:-1], "file/out"),
        "separate": (*SEPARATE[:-1], "file/out"),
    }
    fails("cannot write there", *arguments[command])


def test_a_folder_in_place_of_a_file(fails, tmp_path):
    (tmp_path / "a.tflite").mkdir()
    fails("is a folder, expected", "export", "tflite", "nothing", "a.tflite")


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, '{"epochs": 1e400}', '{"model": 5}'])
def test_settings(fails, tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    fails("", *TRAIN, "--config", "a.json")


@pytest.mark.parametrize("text", ["[]", "{", "{}", '{"table": 5}', "[" * 100_000])
def test_runs_to_resume(fails, tmp_path, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "checkpoint.npz").touch()
    (tmp_path / "out" / "run.json").write_text(text)
    fails("out", *TRAIN)


SONG = {
    **{"name": "s", "sample_rate": 8000, "window": 1.0, "hop": 1.0, "silent": {}},
    "frames": {"vocals": {metric: [1.0] for metric in METRICS}},
}
SCORES = {
    **{"format": "keras-mmdense scores 1", "rule": "museval", "data": {"root": "r"}},
    "systems": {"a": {"description": {"model": "m"}, "songs": [SONG]}},
}
CHANGES = {
    "format": ((), "format", "other"),
    "rule": ((), "rule", "mean"),
    "data": ((), "data", [1]),
    "systems": ((), "systems", []),
    "a system": (("systems",), "a", []),
    "description": (("systems", "a"), "description", []),
    "parameters": (("systems", "a", "description"), "parameters", "x"),
    "songs": (("systems", "a"), "songs", 5),
    "a song": (("systems", "a", "songs"), 0, 5),
    "name": (("systems", "a", "songs", 0), "name", 5),
    "silent": (("systems", "a", "songs", 0), "silent", "x"),
    "frames": (("systems", "a", "songs", 0), "frames", "x"),
    "a stem": (("systems", "a", "songs", 0, "frames"), "vocals", {}),
    "a metric": (("systems", "a", "songs", 0, "frames", "vocals"), "SDR", ["x"]),
    "its length": (("systems", "a", "songs", 0, "frames", "vocals"), "SDR", [1.0, 2.0]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("command", ["report", "compare"])
def test_scores(fails, tmp_path, command, change):
    content = copy.deepcopy(SCORES)
    (path, key, value), place = change, content
    for name in path:
        place = place[name]
    place[key] = value
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "scores.json").write_text(json.dumps(content))
    fails("scores.json: ", command, "run")


def test_the_disk_and_the_memory_are_told_in_one_line(fails, monkeypatch):
    for error, words in (
        (PermissionError(13, "Permission denied", "x.json"), "x.json: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError(), "not enough memory"),
    ):

        def refuse(error=error):
            raise error

        monkeypatch.setattr(cli, "app", refuse)
        fails(words)


@pytest.mark.parametrize("made_of_it", [SystemExit, RuntimeError, InputError])
def test_sigterm_cleans_up_like_an_interrupt(monkeypatch, made_of_it):
    """Also where a library makes another exception of it."""
    kept, cleaned = signal.getsignal(signal.SIGTERM), []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except SystemExit as error:
            cleaned.append(True)
            raise made_of_it(error.code) from error

    monkeypatch.setattr(cli, "app", work)
    monkeypatch.setattr(os, "_exit", sys.exit)
    try:
        with pytest.raises(SystemExit) as end:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, kept)
    assert end.value.code == 143 and cleaned
