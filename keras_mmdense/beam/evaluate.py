"""Scoring separators on Apache Beam."""

import contextlib
import functools
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared

from keras_mmdense.beam import storage
from keras_mmdense.beam.failures import FAILURES, NAMESPACE, Failure, attempt, count_failure
from keras_mmdense.beam.worker import local_model
from keras_mmdense.data.songs import SUFFIXES, open_song
from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.evaluate import DEFAULT_ORACLES, evaluate_songs
from keras_mmdense.evaluation.museval_engine import check_engine
from keras_mmdense.evaluation.oracles import ORACLES
from keras_mmdense.evaluation.protocols import find_rule
from keras_mmdense.evaluation.scoring import SongScores
from keras_mmdense.evaluation.systems import System, from_separator
from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.separation.separator import Separator
from keras_mmdense.stems import STEMS


class EvaluateSongs(beam.PTransform):
    """Score networks beside oracles, as `evaluate_songs` does, a song at a time in each process.

    Takes a bounded PCollection of URLs of songs with known stems: `.stem.mp4` files as MUSDB18 has
    them, or folders with a file a stem.

    Args:
        models: What to score: networks and exported files, as `Separator` takes them; also URLs.
        oracles: Names of `ORACLES`.
        rule: "museval" or "dsd100".
        engine: "museval", or "fast" for rule museval.

    Returns:
        Outputs "scores" (one dict, system -> list of `SongScores` sorted by song: what
        `evaluate_songs` returns, for `write_scores` and `scores_table`) and "failures" (a `Failure`
        for each song that cannot be scored).

    Raises:
        InputError: If a rule, an engine or an oracle is unknown.

    Example:
        >>> with beam.Pipeline() as pipeline:  # doctest: +SKIP
        ...     urls = pipeline | beam.Create(["gs://musdb18/test/song.stem.mp4"])
        ...     scores = urls | EvaluateSongs()
        ...     scores["scores"] | beam.Map(lambda x: write_scores("scores.json", x))
    """

    def __init__(
        self,
        models: Sequence[str] = (DEFAULT,),
        *,
        oracles: Sequence[str] = DEFAULT_ORACLES,
        rule: str = "museval",
        engine: str = "museval",
    ):
        super().__init__()
        check_engine(engine, find_rule(rule))
        if unknown := [name for name in oracles if name not in ORACLES]:
            raise InputError(f"unknown oracle {unknown[0]!r}; choices: {', '.join(ORACLES)}")
        self._models = tuple(models)
        self._options = {"oracles": tuple(oracles), "rule": rule, "engine": engine}

    def expand(self, urls: Any) -> Any:
        order = [*self._models, *self._options["oracles"]]
        scored = (
            urls
            | "Absolute" >> beam.Map(storage.absolute)
            | "Distinct" >> beam.Distinct()
            | "Spread" >> beam.Reshuffle()
            | "Score"
            >> beam.ParDo(_Score(self._models, self._options)).with_outputs(FAILURES, main="songs")
        )
        scores = (
            scored.songs | "Collect" >> beam.combiners.ToList() | "Table" >> beam.Map(_table, order)
        )
        return {"scores": scores, FAILURES: scored[FAILURES]}


class _Systems:
    """What a worker process scores, loaded on first use."""

    def __init__(self, models: Sequence[str]):
        self._models, self.lock = models, threading.Lock()

    @functools.cached_property
    def systems(self) -> list[System]:
        return [from_separator(model, _open(local_model(model))) for model in self._models]


def _open(model: str) -> Separator:
    """In the engine that `keras-mmdense evaluate` takes."""
    engine = "litert" if model.endswith(".tflite") else "tensorflow"
    return Separator.from_pretrained(model, engine=engine)


class _Score(beam.DoFn):
    def __init__(self, models: Sequence[str], options: dict[str, Any]):
        self._models, self._options, self._shared = models, options, Shared()

    def setup(self) -> None:
        self._systems = self._shared.acquire(lambda: _Systems(self._models))

    def process(self, url: str) -> Iterator[Any]:
        found = attempt(url, self._score, url)
        if isinstance(found, Failure):
            yield beam.pvalue.TaggedOutput(FAILURES, count_failure(found))
            return
        Metrics.counter(NAMESPACE, "scored").inc()
        yield {system: scores for system, (scores,) in found.items()}

    def _score(self, url: str) -> dict[str, list[SongScores]]:
        with _fetched(url) as path, storage.named(url, path):
            song = open_song(path)
            song.check()
            with self._systems.lock:  # scoring takes gigabytes: a song at a time
                return evaluate_songs([song], self._systems.systems, **self._options)


@contextlib.contextmanager
def _fetched(url: str) -> Iterator[Path]:
    """A local copy of a song: of a file, or of a folder's stems."""
    url = url.rstrip("/")
    with tempfile.TemporaryDirectory(prefix="keras-mmdense-") as folder:
        path = Path(folder) / storage.as_path(url).name
        if url.endswith(".stem.mp4"):
            if storage.find_info(url) is None:
                raise InputError(f"{url}: no such file")
            storage.fetch(url, path)
        else:
            stems = list(filter(_is_stem, storage.find_files(f"{storage.literal(url)}/*")))
            if not stems:
                raise InputError(f"{url}: neither a .stem.mp4 file nor a folder of stems")
            path.mkdir()
            for file in stems:
                storage.fetch(file, path / PurePosixPath(file).name)
        yield path


def _is_stem(url: str) -> bool:
    path = PurePosixPath(url)
    return path.stem in STEMS and path.suffix in SUFFIXES


def _table(songs: Iterable[Any], order: Sequence[str]) -> dict[str, list[SongScores]]:
    """The scores of all songs by system, in one order whatever the order of the workers."""
    rows = sorted(songs, key=lambda row: next(iter(row.values())).name)
    return {system: [row[system] for row in rows] for system in order}
