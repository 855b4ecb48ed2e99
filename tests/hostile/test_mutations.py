"""Files of every kind, damaged at random for some time, in a process each: see mutate.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("mutate.py")
SECONDS = float(os.environ.get("KERAS_MMDENSE_MUTATION_SECONDS", "20"))
KINDS = ("wav", "flac", "ogg", "mp3", "m4a", "network", "card", "checkpoint")


@pytest.mark.hostile
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(stems_root, kind):
    song = min(stems_root.rglob("vocals.ogg"))
    command = [sys.executable, SCRIPT, kind, song, "--seconds", str(SECONDS)]
    limit = 2 * SECONDS + 120  # for one that waits for ever
    process = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    assert process.returncode == 0, process.stdout + process.stderr
    print(process.stdout)
