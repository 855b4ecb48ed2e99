"""Separating songs on Apache Beam."""

import dataclasses
import datetime
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.shared import Shared

from keras_mmdense.audio import reading
from keras_mmdense.audio.output import Output
from keras_mmdense.beam import record, storage
from keras_mmdense.beam.failures import FAILURES, NAMESPACE, Failure, attempt, count_failure
from keras_mmdense.beam.find import CheckTargets, NameSongs, Song
from keras_mmdense.beam.worker import SONGS, Settings, Worker, open_separator
from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.stems import check_names

PARTIAL = ".partial"


class SeparateSongs(beam.PTransform):
    """Separate songs into files on any file system that Beam knows.

    Takes a bounded PCollection of URLs of songs, local paths or such as `gs://bucket/song.flac`.
    Stems, names and formats are those of `keras-mmdense separate`. A song that is complete is
    skipped: its record in the output folder, see `record`, is of this song, model and output, and
    all files have the recorded sizes. Files appear under their names only when they are whole.

    One pipeline at a time may write to a folder: at its end, it deletes what others left half done.

    Args:
        out_dir: URL of the folder to write to.
        model: A network or several of different targets, as `Separator` takes them; also URLs.
        stems: Stems to write, None for all.
        output: Format, names and extra files; 32-bit float WAV by default.
        engine: "auto", "litert" or "tensorflow".
        threads: Threads of the model in a worker process. Runners start a process for each core;
            where all cores share one, give their number.

    Returns:
        Outputs "songs" (a manifest row each, a dict that JSON can say, with "skipped") and
        "failures" (a `Failure` each).

    Raises:
        InputError: If the model cannot be loaded, a stem is unknown, or Beam has no file system for
            `out_dir`.

    Example:
        >>> import soundfile
        >>> soundfile.write("song.wav", waveform, 44100)
        >>> with beam.Pipeline("FnApiRunner") as pipeline:
        ...     found = pipeline | beam.Create(["song.wav"]) | SeparateSongs("stems")
        >>> sorted(path.stem for path in Path("stems/song").iterdir())
        ['bass', 'drums', 'other', 'vocals']
    """

    def __init__(
        self,
        out_dir: str,
        model: str | Sequence[str] = DEFAULT,
        *,
        stems: Sequence[str] | None = None,
        output: Output | None = None,
        engine: str = "auto",
        threads: int = 1,
    ):
        super().__init__()
        names = (model,) if isinstance(model, str) else tuple(model)
        wanted = () if stems is None else check_names("stems", tuple(stems))
        folder = storage.check_folder(out_dir)
        settings = Settings(folder, names, wanted, output or Output(), engine, threads)
        self._settings = dataclasses.replace(settings, stems=open_separator(settings).stems)

    @property
    def out_dir(self) -> str:
        """URL of the folder that is written to."""
        return self._settings.out_dir

    def expand(self, urls: Any) -> Any:
        """Build the pipeline of the transform; Beam calls it.

        Args:
            urls: PCollection of URLs of songs.

        Returns:
            The outputs by name.
        """
        settings = self._settings
        named = urls | "Absolute" >> beam.Map(storage.absolute) | "Name" >> NameSongs()
        checked = named | "Check" >> CheckTargets(settings.out_dir, settings.output, settings.stems)
        done = (
            checked["songs"]
            | "Spread" >> beam.Reshuffle()
            | "Separate" >> beam.ParDo(_Separate(settings)).with_outputs(FAILURES, main="songs")
        )
        failures = (checked[FAILURES], done[FAILURES]) | beam.Flatten()
        _ = (
            ((done.songs, failures) | "All" >> beam.Flatten())
            | "Finished" >> beam.combiners.Count.Globally()
            | "Clean" >> beam.Map(lambda _, url=settings.out_dir: clean(url))
        )
        return {"songs": done.songs, FAILURES: failures}


def clean(out_dir: str) -> None:
    """Delete what workers that were killed left half done."""
    storage.delete(f"{out_dir}/{PARTIAL}")


class _Separate(beam.DoFn):
    """Separates songs in the threads of the worker, a few at a time."""

    def __init__(self, settings: Settings):
        self._settings, self._shared = settings, Shared()

    def setup(self) -> None:
        self._worker = self._shared.acquire(lambda: Worker(self._settings))

    def start_bundle(self) -> None:
        self._running: set[futures.Future[Any]] = set()

    def process(self, song: Song) -> Iterator[Any]:
        while len(self._running) >= SONGS:
            yield from self._take(futures.FIRST_COMPLETED)
        work = self._worker.executor.submit(attempt, song.url, separate_song, song, self._worker)
        self._running.add(work)

    def finish_bundle(self) -> Iterator[Any]:
        for result in self._take(futures.ALL_COMPLETED):
            failed = isinstance(result, beam.pvalue.TaggedOutput)
            value = GlobalWindows.windowed_value(result.value if failed else result)
            yield beam.pvalue.TaggedOutput(FAILURES, value) if failed else value

    def _take(self, until: str) -> Iterator[Any]:
        """Results of songs that are done, counted here: metrics belong to the bundle's thread."""
        done, self._running = futures.wait(self._running, return_when=until)
        for result in (future.result() for future in done):
            if isinstance(result, Failure):
                yield beam.pvalue.TaggedOutput(FAILURES, count_failure(result))
            else:
                _count(result)
                yield result


def _count(row: record.Row) -> None:
    if row["skipped"]:
        Metrics.counter(NAMESPACE, "skipped").inc()
        return
    Metrics.counter(NAMESPACE, "separated").inc()
    measured = {
        "audio_seconds": row["audio_seconds"],
        "song_seconds": row["seconds"],
        # Beam's distributions hold whole numbers.
        "real_time_factor_percent": 100 * row["audio_seconds"] / max(row["model_seconds"], 1e-3),
    }
    for name, value in measured.items():
        Metrics.distribution(NAMESPACE, name).update(round(value))


def separate_song(song: Song, worker: Worker) -> record.Row:
    """Separate a song unless it is complete.

    Args:
        song: Its URL and name.
        worker: Settings and models.

    Returns:
        The row of the manifest.

    Raises:
        InputError: If the song is missing or cannot be separated.
        OSError: If a file cannot be copied.
    """
    start, spent = time.monotonic(), worker.model_seconds()
    info = storage.find_info(song.url)
    if info is None:
        raise InputError(f"{song.url}: no such file")
    out_dir = worker.settings.out_dir
    url = record.record_url(out_dir, song.name)
    known = storage.read_json(url)
    same = {
        "input": song.url,
        "stems": list(worker.settings.stems),
        "output": dataclasses.asdict(worker.output),
    }
    version = {"input_size": info.size_in_bytes, "input_time": info.last_updated_in_seconds}
    if known and record.is_complete(known, {**same, **version}, out_dir):
        return {**known, "skipped": True}
    with tempfile.TemporaryDirectory(prefix="keras-mmdense-") as folder:
        local = Path(folder) / storage.as_path(song.url).name
        digest = storage.fetch(song.url, local)
        if known and record.is_complete(known, {**same, "sha256": digest}, out_dir):
            return {**known, "skipped": True}
        made = _separate_file(song, local, Path(folder) / "stems", worker)
        seconds = {
            "seconds": round(time.monotonic() - start, 3),
            "model_seconds": round(worker.model_seconds() - spent, 3),
        }
        origin = {"sha256": digest, "song": song.name, "worker": record.worker_name()}
        row = {**same, **version, **origin, **made, **seconds, "versions": record.versions()}
        row["finished"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        _store(Path(folder), row, out_dir, url)
    return {**row, "skipped": False}


def _separate_file(song: Song, local: Path, folder: Path, worker: Worker) -> record.Row:
    with storage.named(song.url, local):
        with reading.open_audio(local) as source:
            seconds = source.samples / source.sample_rate
        separator = worker.separator()
        written = separator.separate_file(local, folder, worker.output, song=song.name)
    files = [
        {"stem": stem, "path": path.relative_to(folder).as_posix(), "size": path.stat().st_size}
        for stem, path in written.files.items()
    ]
    return {
        "files": files,
        "gain_db": written.gain_db,
        "audio_seconds": round(seconds, 3),
        "model": {"names": list(worker.settings.models), "engine": separator.engine.name},
    }


def _store(folder: Path, row: record.Row, out_dir: str, url: str) -> None:
    """Upload stems, then give them their names, then the record."""
    stage = f"{out_dir}/{PARTIAL}"
    with storage.storing(stage) as upload:
        for file in row["files"]:
            upload(folder / "stems" / file["path"], f"{out_dir}/{file['path']}")
        storage.delete(url)
    path = folder / "record.json"
    path.write_text(json.dumps(row), encoding="utf-8")
    with storage.storing(stage) as upload:
        upload(path, url)
