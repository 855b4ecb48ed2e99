"""What a worker process shares among its threads: the model, loaded once, and places for songs."""

import contextlib
import dataclasses
import functools
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
from keras_mmdense.beam.fair_lock import FairLock
from keras_mmdense.errors import InputError, first_line
from keras_mmdense.separation.engines.engine import Engine, Run
from keras_mmdense.separation.loading import made_by
from keras_mmdense.separation.separator import Separator
from keras_mmdense.utils.environment import environment

# One song is copied while another is computed, and a long one lets others pass.
SONGS = 3
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How songs are separated, as every worker must know it.

    Args:
        out_dir: URL of the folder to write to.
        models: Networks, see `Separator`; each a shipped name, a path or a URL.
        stems: Stems to write; empty for all, until the model has told which these are.
        output: Format, names and extra files.
        engine: "auto", "litert" or "tensorflow".
        threads: Threads of the model in a worker process.
    """

    out_dir: str
    models: tuple[str, ...]
    stems: tuple[str, ...]
    output: Output
    engine: str
    threads: int


class Worker:
    """The model and the threads of one worker process.

    Songs take turns at the model, window by window, so that a long one does not keep it from the
    others.

    Attributes:
        settings: How songs are separated.
        executor: The threads that `SONGS` songs at a time are in work in; memory and disk are
            bounded by their number.
    """

    def __init__(self, settings: Settings):
        self.settings, self._lock = settings, threading.Lock()
        self._spent = threading.local()
        self.executor = ThreadPoolExecutor(SONGS)

    @functools.cached_property
    def _artifacts(self) -> list[str]:
        return [local_model(model) for model in self.settings.models]

    @functools.cached_property
    def output(self) -> Output:
        """Format and names, with the fingerprint of the model in them."""
        with self._lock, _model_needed():
            output = self.settings.output
            made = made_by(self._artifacts, self.settings.stems, output.residual)
        return dataclasses.replace(output, model=made)

    def separator(self) -> Separator:
        """Return the separator, loaded on the first call; threads may share it."""
        with self._lock, _model_needed():
            return self._separator

    @functools.cached_property
    def _separator(self) -> Separator:
        with environment(dict.fromkeys(THREADS, str(self.settings.threads))):
            separator = open_separator(self.settings, self._artifacts)
        turn = FairLock()

        def start() -> Run:
            with turn:
                run = separator.engine.start()

            def take_turn(waveforms: np.ndarray) -> np.ndarray:
                with turn:
                    begun = time.monotonic()
                    stems = run(waveforms)
                    self._spent.seconds = self.model_seconds() + time.monotonic() - begun
                    return stems

            return take_turn

        engine = Engine(separator.engine.name, separator.card, start)
        return Separator(engine, stems=separator.stems)

    def model_seconds(self) -> float:
        """Return the seconds that the model has worked for this thread."""
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
        names[0] if len(names) == 1 else names, stems=settings.stems or None, engine=settings.engine
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
