"""The campaign against hostile input: what was tried, what held and what fell.

    pytest tests/hostile -m "hostile or not hostile" -n 0

runs all of it and prints a summary. What is not marked `hostile` is part of every run of the tests;
there a separator of numpy takes the place of a network.

The outcome of a case is "separated", "refused", "either", or words of the line that refuses it.
"""

import contextlib
import re
import resource
import signal

import numpy as np
import pytest

from keras_mmdense.audio.output import Output
from keras_mmdense.separation import batch
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.separator import Separator

FOLDER = "tests/hostile/"
WINDOW, CONTEXT = 1024, 256
CARD = ModelCard(
    ("standin",), ("vocals", "drums"), 8000, 2, n_fft=256, hop=128, window=WINDOW, context=CONTEXT
)


def pytest_terminal_summary(terminalreporter):
    held, fell = (_cases(terminalreporter, *names) for names in (["passed"], ["failed", "error"]))
    if held or fell:
        terminalreporter.section("campaign")
        tried = f"{len(held | fell)} tried, {len(held - fell)} held, {len(fell)} fell"
        terminalreporter.line(f"hostile cases: {tried}")


def _cases(reporter, *outcomes):
    reports = [report for name in outcomes for report in reporter.stats.get(name, [])]
    return {report.nodeid for report in reports if FOLDER in report.nodeid}


@pytest.fixture
def full_disk():
    """A context in which no file may grow beyond some bytes, as on a disk that is full."""

    @contextlib.contextmanager
    def limited(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)

    return limited


def thirds(waveforms):
    """Vocals are a third of the mixture, drums the rest."""
    core = waveforms[:, CONTEXT : CONTEXT + WINDOW]
    return np.stack([core / 3, core - core / 3], axis=1)


@pytest.fixture
def separator():
    return Separator.from_function(thirds, CARD)


@pytest.fixture
def separate(separator):
    """Runs a batch of one song: (song, folder, output, progress) -> result."""

    def run(path, out_dir, output=None, progress=lambda done, total: None):
        job = batch.Job(separator, out_dir, output or Output())
        (result,) = job.run([path], lambda name: progress, lambda result: None)
        return result

    return run


@pytest.fixture
def hold(separate, tmp_path):
    """Checks that a song has an outcome, and that its stems are whole or absent."""

    def run(path, outcome, **options):
        out_dir = tmp_path / "out"
        result = separate(path, out_dir, **options)
        found = {file for file in out_dir.rglob("*") if not file.is_dir()}
        if result.written:
            assert outcome in ("separated", "either"), "was separated"
            assert found == set(result.written.files.values())
        else:
            assert outcome != "separated", result.error
            check_line(result.error.replace(str(path), "SONG"), outcome)
            assert not found
        return result

    return run


def check_line(line, outcome):
    """Whether an error is one line, and not the name of an exception that nobody foresaw."""
    assert "\n" not in line and not re.search(r": \w+(Error|Exception|Iteration):", line), line
    assert outcome in line or outcome in ("refused", "either"), line
