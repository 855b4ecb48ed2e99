"""A pool of single-threaded processes with bounded memory, which leaves nothing behind."""

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
from keras_mmdense.utils.environment import environment

THREADS = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM")
ONE_THREAD = {f"{library}_THREADS": "1" for library in THREADS}
# Share of the memory free at the start that the processes may use together.
SHARE = 0.8


class Job(Protocol):
    """Work for a process."""

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def memory(self) -> float:
        """Peak memory in bytes."""


Work = Callable[[Any], Any]


def run_jobs(
    work: Work, jobs: Iterable[Any], processes: int, scratch: Path
) -> Generator[tuple[Any, Any], None, None]:
    """Run jobs in parallel in fresh processes.

    Each process has one thread for linear algebra. Jobs are taken from `jobs` on demand: besides
    the running ones, at most one is prepared. A job waits while it and the running ones would need
    more memory than was free at the start. The processes end with the generator, with an exception,
    and with this process, even if it is killed; then they delete `scratch`.

    Args:
        work: Module-level function from a job to its result; may raise.
        jobs: The jobs.
        processes: Number of processes, at least 1.
        scratch: Folder of the jobs' files.

    Yields:
        Each job with its result, in order of completion.

    Raises:
        InputError: If a job needs more memory than is available, or a process was killed.
        Exception: Whatever `work` raises.
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
            f"{budget / 1e9:.1f} GB are available"
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
    """Name the job of a process whose pipe is broken."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise InputError(
            f"{job.name}: the process that scored it was killed; if memory was short, choose fewer "
            "processes"
        ) from error


@contextlib.contextmanager
def _start(work: Work, count: int, scratch: Path) -> Iterator[list[Any]]:
    """Start processes, and provide a pipe to each."""
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    try:
        with environment(ONE_THREAD):  # before the processes import numpy
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
    """Return the memory in bytes available without swapping; infinite if it is not known."""
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
