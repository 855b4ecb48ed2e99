"""Work in processes of their own: one thread each, bounded memory, nothing left behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing import connection
from pathlib import Path
from typing import Any, Protocol

from keras_mmdense.errors import InputError

THREADS = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")
# Of the memory that is free at the start, the share that the processes may take together.
SHARE = 0.8


class Job(Protocol):
    """What a process is given to work on."""

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def memory(self) -> float:
        """Bytes that it needs at its peak."""


Work = Callable[[Any], Any]


def run_jobs(
    work: Work, jobs: Iterable[Any], processes: int, scratch: Path
) -> Generator[tuple[Any, Any], None, None]:
    """Works on jobs in parallel, each in one of some processes that are started fresh.

    A process has one thread of linear algebra. Jobs are taken from `jobs` when they are needed:
    beside those being worked on, one at most is ready. A job waits while it and the running ones
    would need more memory than was free at the start. The processes end with the generator, with an
    exception, and with this process, however it ends; in that last case they delete `scratch`.

    Args:
        work: from a job to a result, a function of a module; may raise.
        jobs: what to work on, each with `name` and `memory`, the bytes it will need at its peak.
        processes: how many processes, at least 1.
        scratch: the folder that the jobs' files lie in.

    Yields:
        Each job with its result, in the order in which they are ready.

    Raises:
        InputError: a job needs more memory than there is, or a process was killed.
        Exception: whatever `work` raises.
    """
    budget = SHARE * free_memory()
    with _start(work, processes, scratch) as idle:
        busy: dict[Any, Job] = {}
        waiting, job = iter(jobs), None
        while True:
            job = next(waiting, None) if job is None else job
            while job is not None and idle and _fits(job, busy.values(), budget):
                pipe = idle.pop()
                with _naming(job):
                    pipe.send(job)
                busy[pipe], job = job, next(waiting, None)
            if not busy:
                return
            for ready in connection.wait(busy):
                done = busy.pop(ready)
                yield done, _receive(ready, done)
                idle.append(ready)


def _fits(job: Job, running: Iterable[Job], budget: float) -> bool:
    needed = sum(other.memory for other in running) + job.memory
    if job.memory > budget:
        raise InputError(
            f"{job.name}: scoring it needs about {job.memory / 1e9:.1f} GB, and only "
            f"{budget / 1e9:.1f} GB can be had"
        )
    return needed <= budget


def _receive(pipe: Any, job: Job) -> Any:
    with _naming(job):
        result, error = pipe.recv()
    if error is not None:
        raise error
    return result


@contextlib.contextmanager
def _naming(job: Job) -> Iterator[None]:
    """Says which job a process was on whose pipe is broken."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise InputError(
            f"{job.name}: the process that scored it was killed; if memory was short, choose fewer "
            "processes"
        ) from error


@contextlib.contextmanager
def _start(work: Work, count: int, scratch: Path) -> Iterator[list[Any]]:
    """Starts processes and gives a pipe to each."""
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    try:
        with _one_thread():
            for _ in range(count):
                ours, theirs = spawn.Pipe()
                process = spawn.Process(target=_serve, args=(theirs, work, scratch), daemon=True)
                process.start()
                theirs.close()
                pipes.append(ours)
                processes.append(process)
        yield list(pipes)
    finally:
        for process in processes:
            process.terminate()
        for process, pipe in zip(processes, pipes, strict=True):
            process.join()
            pipe.close()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """What is started here finds one thread in its environment, before it imports numpy."""
    names = [f"{library}_{'' if '_' in library else 'NUM_'}THREADS" for library in THREADS]
    kept = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: connection.Connection, work: Work, scratch: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()
    with contextlib.suppress(EOFError):
        while True:
            job = pipe.recv()
            answer: tuple[Any, Exception | None]
            try:
                answer = work(job), None
            except Exception as error:
                answer = None, error
            pipe.send(answer)


def _end_with_parent(scratch: Path) -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


def free_memory() -> float:
    """Memory in bytes that can be had without swapping; infinite where it is not known."""
    limits = [_free_of_machine()]
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        limits.append(float(limit) - float(used))
    return min(limits)


def _free_of_machine() -> float:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
