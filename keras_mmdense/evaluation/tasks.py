"""Scoring one song of one system, in this process or in others."""

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
    """One song of one system, to be scored.

    Attributes:
        name: the song's name.
        system: the system's name; an oracle's if there are no estimates.
        stems: the stems the system gives.
        sample_rate: in Hz.
        rule, engine: how to score.
        seconds: what the separation took, None for an oracle.
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
    """Scores tasks, each with its references and estimates, one after the other."""
    for task, references, estimates in separated:
        yield task, _score(task, references, estimates)


def score_parallel(
    separated: Iterable[Separated], processes: int
) -> Generator[tuple[Task, SongScores], None, None]:
    """Scores tasks in processes of their own, see `process_pool.run_jobs`.

    The signals pass through temporary files, which are deleted when they are no longer needed, and
    all of them at the end, however it comes.
    """
    with tempfile.TemporaryDirectory(prefix="keras-mmdense-", ignore_cleanup_errors=True) as folder:
        jobs = _write_jobs(separated, Path(folder))
        with contextlib.closing(run_jobs(_work, jobs, processes, Path(folder))) as results:
            for job, scores in results:
                shutil.rmtree(job.folder)
                yield job.task, scores


@dataclass(frozen=True)
class _Job:
    """A task, the memory it needs, and the folder that holds its signals, one file a stem."""

    task: Task
    memory: float
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.task.name}, {self.task.system}"


def _write_jobs(separated: Iterable[Separated], scratch: Path) -> Iterator[_Job]:
    """Writes signals to files; the jobs of a song share the references by hard links."""
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
