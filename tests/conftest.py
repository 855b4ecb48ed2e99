"""Fixtures that several tests share: real music, and a failure where a skip is not allowed."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["COLUMNS"] = "120"

MUSIC = Path(os.environ.get("KERAS_MMDENSE_MUSIC", Path(__file__).parents[2] / "shared" / "data"))
STRICT = os.environ.get("KERAS_MMDENSE_NO_SKIP") == "1"


def pytest_collection_modifyitems(items):
    """Long tests have no time limit; of others, one that hangs fails and is named."""
    for item in items:
        if {"slow", "hostile"} & {mark.name for mark in item.iter_markers()}:
            item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def playwright():
    """Starts browsers; a process can have only one."""
    module = pytest.importorskip("playwright.sync_api", reason="needs pip install playwright")
    with module.sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def small_table():
    """Makes a table small: an STFT of 256 samples, and few units where there are many."""
    from keras_mmdense.configs import BlendConfig, BLSTMConfig, FNNConfig

    def small(config):
        fields = {"n_fft": 256, "hop": 128}
        if isinstance(config, FNNConfig):
            fields["hidden"] = 16
        if isinstance(config, BLSTMConfig):
            fields["cells"] = 4
        if isinstance(config, BlendConfig):
            fields |= {"first": small(config.first), "second": small(config.second)}
        return dataclasses.replace(config, **fields)

    return small


@pytest.fixture(scope="session")
def musdb_root():
    """MUSDB18's seven-second excerpts, `train/*.stem.mp4`."""
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        pytest.skip("reading .stem.mp4 needs ffmpeg and ffprobe on the PATH")
    return _music("musdb18-7s")


@pytest.fixture(scope="session")
def stems_root():
    """Five full songs as `<song>/{vocals,drums,bass,other}.ogg`."""
    return _music("everythingisfree")


@pytest.fixture(scope="session")
def real_stems(stems_root):
    """Twelve seconds of a real song, its bass silent: name -> (samples, 2)."""
    rate, start, seconds = 44100, 60, 12
    folder = stems_root / "Lithium"
    span = {"start": start * rate, "frames": seconds * rate, "dtype": "float32"}
    names = ("vocals", "drums", "bass", "other")
    return {name: soundfile.read(folder / f"{name}.ogg", **span)[0] for name in names}


@pytest.fixture(scope="session")
def real_mixture(real_stems):
    """The sum of `real_stems`: (samples, 2), float32."""
    return np.sum(list(real_stems.values()), axis=0)


def _music(name):
    folder = MUSIC / name
    if not folder.is_dir():
        pytest.skip(f"no music at {folder}; set KERAS_MMDENSE_MUSIC to the folder that holds it")
    return folder
