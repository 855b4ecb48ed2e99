"""A full disk, for which the limit of a file's size stands in."""

import resource
import signal
import subprocess
import sys

import pytest


def limit():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


@pytest.mark.parametrize(
    "arguments",
    [
        ("synth", "out", "--tracks", "1", "--seconds", "4"),
        ("demo", "--output", "out", "--seconds", "3"),
    ],
)
def test_a_full_disk_is_told_in_one_line(tmp_path, arguments):
    command = (sys.executable, "-m", "keras_mmdense", *arguments)
    done = subprocess.run(
        command, cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True, check=False
    )
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert len(errors) == 1 and "cannot be written; is the disk full?" in errors[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
