"""Songs of noise, a separator that does no work, and pipelines in this process."""

import importlib.util
import logging
import pickle
import sys
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from keras_mmdense.beam import separate, worker
from keras_mmdense.separation.model_card import ModelCard
from keras_mmdense.separation.separator import Separator
from keras_mmdense.stems import STEMS

CARD = ModelCard(("copy",), STEMS, 44100, 2, n_fft=256, hop=128, window=2048, context=256)


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("apache_beam").setLevel(logging.ERROR)


@pytest.fixture
def quarters(monkeypatch):
    """Makes every separator give each stem a quarter of the mixture; gives its windows."""
    windows = []

    def run(waveforms):
        windows.append(float(waveforms[0, CARD.context, 0]))
        return np.stack([waveforms[:, 256:-256] / 4] * len(STEMS), axis=1)

    def opened(settings, artifacts=None):
        return Separator.from_function(run, CARD, stems=settings.stems or None)

    monkeypatch.setattr(worker, "open_separator", opened)
    monkeypatch.setattr(separate, "open_separator", opened)
    return windows


@pytest.fixture
def memory():
    """The file system `mem://`, empty."""
    path = Path(__file__).with_name("memory_files.py")
    if "memory_files" not in sys.modules:
        spec = importlib.util.spec_from_file_location("memory_files", path)
        sys.modules["memory_files"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["memory_files"])
    module = sys.modules["memory_files"]
    for kept in (module.FILES, module.CREATED, module.REFUSED, module.CUT):
        kept.clear()
    return module


@pytest.fixture
def collect(tmp_path):
    """Gives a function that runs what another makes of a pipeline.

    It returns the elements of each output, and the metrics by name.
    """

    def run(build):
        pipeline = beam.Pipeline("FnApiRunner", PipelineOptions([]))
        for name, elements in build(pipeline).items():
            listed = elements | f"List {name}" >> beam.combiners.ToList()
            _ = listed | f"Keep {name}" >> beam.Map(_dump, str(tmp_path / f"{name}.pickle"))
        result = pipeline.run()
        result.wait_until_finish()
        found = {path.stem: pickle.loads(path.read_bytes()) for path in tmp_path.glob("*.pickle")}
        metrics = result.metrics().query()
        every = [*metrics["counters"], *metrics["distributions"]]
        return found, {metric.key.metric.name: metric.committed for metric in every}

    return run


def _dump(elements, path):
    Path(path).write_bytes(pickle.dumps(elements))
