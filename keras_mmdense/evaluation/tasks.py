"""Scoring of a system on a song, in this process or in others."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.museval_engine import memory
from keras_mmdense.evaluation.oracles import ORACLES
from keras_mmdense.evaluation.process_pool import run_jobs
from keras_mmdense.evaluation.protocols import Rule
from keras_mmdense.evaluation.scoring import SongScores, score_song
from keras_mmdense.stems import Stems, rest_name


@dataclass(frozen=True)
class Task:
    """A song and a system to score.

    Attributes:
        name: Name of the song.
        system: Name of the system; of an oracle if there are no estimates.
        stems: Stems that the system estimates.
        sample_rate: Sample rate in Hz.
        rule, engine: Rule and engine of the scores.
        seconds: Seconds of separation, None for an oracle.
    """

    name: str
    system: str
    stems: tuple[str, ...]
    sample_rate: int
    rule: Rule
    engine: str
    seconds: float | None = None


Separated = tuple[Task, Stems, Stems | None]


def score_here(separated: Iterable[Separated]) -> Generator[tuple[Task, SongScores], None, None]:
    """Score tasks with their references and estimates sequentially."""
    for task, references, estimates in separated:
        yield task, _score(task, references, estimates)


def score_parallel(
    separated: Iterable[Separated], processes: int
) -> Generator[tuple[Task, SongScores], None, None]:
    """Score tasks in separate processes, see `process_pool.run_jobs`.

    Signals are passed as temporary files, which are deleted when they are no longer needed, and
    all of them at the end.
    """
    with tempfile.TemporaryDirectory(prefix="keras-mmdense-", ignore_cleanup_errors=True) as folder:
        jobs = _write_jobs(separated, Path(folder))
        with contextlib.closing(run_jobs(_work, jobs, processes, Path(folder))) as results:
            for job, scores in results:
                shutil.rmtree(job.folder)
                yield job.task, scores


@dataclass(frozen=True)
class _Job:
    """A task, the memory it needs, and the folder of its signals, with one file per stem."""

    task: Task
    memory: float
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.task.name}, {self.task.system}"


def _write_jobs(separated: Iterable[Separated], scratch: Path) -> Iterator[_Job]:
    """Write signals to files; the jobs of a song share the references as hard links."""
    song: Path | None = None
    last = None
    for number, (task, references, estimates) in enumerate(separated):
        folder = scratch / str(number)
        if song is None or task.name != last:
            if song:
                shutil.rmtree(song)
            song, last = scratch / f"song{number}", task.name
            _write(references, song)
        shutil.copytree(song, folder / "references", copy_function=os.link)
        if estimates is not None:
            _write(estimates, folder / "estimates")
        shape = np.shape(next(iter(references.values())))
        needed = memory(shape, len(references), task.sample_rate, task.rule, task.engine)
        yield _Job(task, needed, folder)


def _write(stems: Stems, folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, (stem, audio) in enumerate(stems.items()):
        np.save(folder / f"{number} {stem}.npy", audio)


def _read(folder: Path) -> dict[str, np.ndarray]:
    files = sorted(folder.iterdir(), key=lambda path: int(path.name.split()[0]))
    return {path.stem.split(" ", 1)[1]: np.load(path, mmap_mode="r") for path in files}


def _work(job: _Job) -> SongScores:
    estimates = job.folder / "estimates"
    references = _read(job.folder / "references")
    return _score(job.task, references, _read(estimates) if estimates.exists() else None)


def _score(task: Task, references: Stems, estimates: Stems | None) -> SongScores:
    if estimates is None:
        estimates = _oracle(task, references)
    try:
        scores = score_song(
            references,
            estimates,
            task.sample_rate,
            task.rule,
            engine=task.engine,
            name=task.name,
        )
    except ValueError as error:
        raise InputError(f"{task.name}, {task.system}: {error}") from error
    return dataclasses.replace(scores, seconds=task.seconds)


def _oracle(task: Task, references: Stems) -> dict[str, np.ndarray]:
    estimates = ORACLES[task.system](references)
    whole = set(task.stems) == set(references)
    wanted = {*task.stems, "accompaniment" if whole else rest_name(task.stems)}
    return {stem: audio for stem, audio in estimates.items() if stem in wanted}
