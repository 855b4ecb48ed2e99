"""What a worker process shares among its threads: models, loaded once, and places for songs."""

import contextlib
import dataclasses
import functools
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from keras_mmdense.audio.output import Output
from keras_mmdense.beam import storage
from keras_mmdense.beam.failures import BrokenWorker
from keras_mmdense.beam.fair_pool import FairPool
from keras_mmdense.errors import InputError, first_line
from keras_mmdense.separation.engines.engine import Engine
from keras_mmdense.separation.loading import fingerprint
from keras_mmdense.separation.separator import Separator

# Songs beyond the models: one is copied while another is computed, and a long one lets others pass.
EXTRA_SONGS = 2
ONE_CORE = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How songs are separated, as every worker must know it.

    Args:
        out_dir: URL of the folder to write to.
        models: Networks, see `Separator`; each a shipped name, a path or a URL.
        stems: Stems to write, None for all.
        output: Format, names and extra files.
        engine: "auto", "litert" or "tensorflow".
        copies: Models in a worker process, each on one core.
    """

    out_dir: str
    models: tuple[str, ...]
    stems: tuple[str, ...] | None
    output: Output
    engine: str
    copies: int


class Worker:
    """Models and threads of one worker process.

    Songs are separated by turns, window by window, so that a long one does not keep the others from
    the models.

    Attributes:
        settings: How songs are separated.
        slots: How many songs are in work at a time; memory and disk are bounded by it.
        executor: The threads they are in work in.
    """

    def __init__(self, settings: Settings):
        self.settings, self._lock = settings, threading.Lock()
        self._spent = threading.local()
        self.slots = settings.copies + EXTRA_SONGS
        self.executor = ThreadPoolExecutor(self.slots)

    @functools.cached_property
    def _artifacts(self) -> list[str]:
        return [local_model(model) for model in self.settings.models]

    @functools.cached_property
    def output(self) -> Output:
        """Format and names, with the fingerprint of the model in them."""
        with self._lock, _model_needed():
            made_by = "".join(fingerprint(name)[:8] for name in self._artifacts)
        return dataclasses.replace(self.settings.output, model=made_by)

    def separator(self) -> Separator:
        """Return the separator, loaded on the first call; threads may share it."""
        with self._lock, _model_needed():
            return self._separator

    @functools.cached_property
    def _separator(self) -> Separator:
        with _one_core():
            separators = [
                open_separator(self.settings, self._artifacts) for _ in range(self.settings.copies)
            ]
        pool = FairPool([separator.engine.run for separator in separators])

        def run(waveforms: np.ndarray) -> np.ndarray:
            with pool.borrow() as model:
                start = time.monotonic()
                stems = model(waveforms)
                self._spent.seconds = self.model_seconds() + time.monotonic() - start
                return stems

        first = separators[0]
        return Separator(Engine(first.engine.name, first.card, run), stems=first.stems)

    def model_seconds(self) -> float:
        """Return the seconds that models have worked for this thread."""
        return getattr(self._spent, "seconds", 0.0)


def open_separator(settings: Settings, artifacts: list[str] | None = None) -> Separator:
    """Load what separates.

    Args:
        settings: Networks, stems and engine.
        artifacts: Local copies of the networks, where they have been made.

    Raises:
        InputError: As `Separator` does.
    """
    names = artifacts or [local_model(model) for model in settings.models]
    return Separator(
        names[0] if len(names) == 1 else names, stems=settings.stems, engine=settings.engine
    )


def local_model(model: str) -> str:
    """Copy a model to this machine, unless it is a name or a path here.

    Args:
        model: A shipped name, a path, or the URL of a file or a folder.

    Returns:
        The name, or the path here.

    Raises:
        InputError: If there is nothing at the URL.
    """
    if storage.is_local(model):
        return model
    model = model.rstrip("/")
    target = Path(tempfile.mkdtemp(prefix="keras-mmdense-")) / model.rpartition("/")[2]
    files = storage.find_files(f"{storage.literal(model)}/**")
    for url in files:
        path = target / url.removeprefix(f"{model}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.fetch(url, path)
    if not files:
        if storage.find_info(model) is None:
            raise InputError(f"{model}: no such file or folder")
        storage.fetch(model, target)
    return str(target)


@contextlib.contextmanager
def _model_needed() -> Iterator[None]:
    """No song is at fault where the model cannot be loaded."""
    try:
        yield
    except Exception as error:
        raise BrokenWorker(f"a worker cannot load the model: {first_line(error)}") from error


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """A model that is loaded here runs in one thread: a runner starts a process for each core."""
    kept = {name: os.environ.get(name) for name in ONE_CORE}
    os.environ.update(dict.fromkeys(ONE_CORE, "1"))
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
