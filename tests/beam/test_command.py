"""The command on real music: the same files as `separate`, dead letters, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from keras_mmdense.cli import app
from keras_mmdense.errors import InputError

CODE = "from keras_mmdense.cli import main; main()"
TWO_PROCESSES = ["--direct_running_mode", "multi_processing", "--direct_num_workers", "2"]


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def process(*arguments, **options):
    """Starts the command in a process of its own."""
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def stems(folder):
    """The bytes of all files that are no manifest, by name."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder): path for path in paths}
    return {
        str(name): path.read_bytes()
        for name, path in names.items()
        if name.parts[0] != ".manifest" and name.suffix != ".jsonl"
    }


def write_bad_songs(folder):
    """A corrupt file, an empty one and one of 0 samples; gives what failures must say of them."""
    (folder / "corrupt.flac").write_bytes(b"fLaC" + bytes(1000))
    (folder / "empty.wav").touch()
    soundfile.write(folder / "nothing.wav", np.zeros((0, 2)), 44100)
    return {
        "corrupt.flac": "not an audio file that can be read",
        "empty.wav": "the file is empty",
        "nothing.wav": "holds no samples",
        "missing.wav": "no such file",
    }


def check_dead_letters(out, expected):
    found = {Path(row["input"]).name: row["reason"] for row in lines(out / "failures.jsonl")}
    assert sorted(found) == sorted(expected)
    for name, reason in expected.items():
        assert reason in found[name] and "\n" not in found[name]


@pytest.fixture(scope="module")
def clips(musdb_root):
    paths = sorted((musdb_root / "train").glob("*.stem.mp4"))[:40]
    assert len(paths) == 40
    return paths


def link(clips, folder):
    folder.mkdir()
    for clip in clips:
        (folder / clip.name).symlink_to(clip)
    return folder


def test_files_are_those_of_the_command(clips, tmp_path, capfd):
    folder = link(clips[:2], tmp_path / "in")
    options = ("--two-stems", "vocals", "--format", "flac", "--filename", "{stem} {song}.{format}")
    assert run("separate", folder, "-o", tmp_path / "a", *options).exit_code == 0
    bad = write_bad_songs(folder)
    places = ("--input", folder, "--input", folder / "missing.wav")
    result = run("beam", *places, "-o", tmp_path / "b", *options)
    assert result.exit_code == 2, result.output
    assert stems(tmp_path / "b") == stems(tmp_path / "a") and len(stems(tmp_path / "a")) == 4
    check_dead_letters(tmp_path / "b", bad)
    names = {path.name for path in (tmp_path / "b").iterdir()}
    assert names == {*stems(tmp_path / "b"), ".manifest", "failures.jsonl", "manifest.jsonl"}
    errors = [
        line for line in result.stderr.splitlines() if line.startswith("keras-mmdense: error")
    ]
    assert len(errors) == 4
    rows = lines(tmp_path / "b" / "manifest.jsonl")
    assert sorted(row["song"] for row in rows) == [clip.name[:-9] for clip in clips[:2]]
    assert not any(row["skipped"] for row in rows)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--formt", "flac"], "neither keras-mmdense nor Beam has an option --formt"),
        (["--runner", "DirectRunner", "word"], "neither keras-mmdense nor Beam has an option word"),
        (["--direct_num_workers", "x"], "invalid int value: 'x'"),
        (["--runner", "Nope"], "Unexpected pipeline runner: Nope"),
        (["--format", "aac"], "unknown format 'aac'"),
        (["--stems", "guitar"], "unknown stem 'guitar'"),
        (["--stems", "bass", "--two-stems", "vocals"], "cannot be combined"),
        (["--output", "gs://bucket"], "pip install apache-beam"),
    ],
)
def test_bad_options_are_told_in_one_line_and_nothing_is_written(tmp_path, options, reason):
    arguments = ["beam", "--input", tmp_path / "x.wav", "--output", tmp_path / "out", *options]
    result = run(*arguments)
    assert isinstance(result.exception, InputError), result.output
    assert reason in str(result.exception) and "\n" not in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_ends_in_one_line_and_status_2():
    code = f"import sys; sys.modules['apache_beam'] = None; {CODE}"
    command = [sys.executable, "-c", code, "beam", "--input", "x.wav", "--output", "out"]
    result = subprocess.run(command, capture_output=True, text=True)
    expected = 'keras-mmdense: error: beam needs apache-beam: pip install "keras-mmdense[beam]"\n'
    assert (result.returncode, result.stderr) == (2, expected)


@pytest.fixture(scope="module")
def separated(clips, tmp_path_factory):
    """A folder of forty clips, and what `separate` makes of them."""
    folder = tmp_path_factory.mktemp("forty")
    link(clips, folder / "in")
    assert process("separate", folder / "in", "-o", folder / "out").wait() == 0
    return folder / "in", stems(folder / "out")


@pytest.mark.slow
def test_two_processes_write_the_same_forty_songs(separated, tmp_path):
    folder, expected = separated
    beam = process("beam", "--input", folder, "-o", tmp_path / "out", *TWO_PROCESSES)
    beam.communicate()
    assert beam.returncode == 0
    assert len(expected) == 160 and stems(tmp_path / "out") == expected
    rows = lines(tmp_path / "out" / "manifest.jsonl")
    assert len(rows) == 40 and len({row["worker"] for row in rows}) == 2


@pytest.mark.slow
def test_four_bad_songs_among_forty(separated, clips, tmp_path):
    folder = link(clips[:36], tmp_path / "in")
    bad = write_bad_songs(folder)
    places = ["--input", folder, "--input", folder / "missing.wav"]
    beam = process("beam", *places, "-o", tmp_path / "out", *TWO_PROCESSES)
    beam.communicate()
    assert beam.returncode == 2
    check_dead_letters(tmp_path / "out", bad)
    assert len(lines(tmp_path / "out" / "manifest.jsonl")) == 36
    found = stems(tmp_path / "out")
    assert len(found) == 4 * 36 and found.items() <= separated[1].items()


@pytest.mark.slow
def test_a_killed_worker_and_a_second_run(separated, clips, tmp_path):
    """SIGKILL for a worker in the middle; the second run separates the rest, and nothing twice."""
    folder, out = link(clips[:16], tmp_path / "in"), tmp_path / "out"
    arguments = ["beam", "--input", folder, "-o", out, *TWO_PROCESSES]
    beam = process(*arguments, start_new_session=True)
    while len(records(out)) < 3:
        assert beam.poll() is None
        time.sleep(0.05)
    os.kill(workers(beam.pid)[0], signal.SIGKILL)
    beam.communicate()
    assert beam.returncode == 1 and not (out / "manifest.jsonl").exists()
    before = records(out)
    assert 3 <= len(before) < 16
    again = process(*arguments)
    again.communicate()
    assert again.returncode == 0
    rows = {row["song"]: row for row in lines(out / "manifest.jsonl")}
    assert len(rows) == 16
    skipped = {song: row for song, row in rows.items() if row.pop("skipped")}
    assert skipped == before
    found = stems(out)
    assert len(found) == 4 * 16 and found.items() <= separated[1].items()
    names = {path.name for path in out.iterdir()}
    assert names == {*rows, ".manifest", "failures.jsonl", "manifest.jsonl"}
    assert not any(path.name.startswith(".") for path in out.glob("*/*"))


def records(out):
    rows = [json.loads(path.read_text()) for path in out.glob(".manifest/*/*.json")]
    return {row["song"]: row for row in rows}


def workers(parent):
    """Processes of Beam's workers below a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        words = status.read_bytes().split(b"\0")
        if b"apache_beam.runners.worker.sdk_worker_main" in words:
            pid = int(status.parent.name)
            if os.getpgid(pid) == parent:
                found.append(pid)
    return sorted(found)
