"""Jobs for processes that a test starts; they import this module by name."""

import os
from dataclasses import dataclass


@dataclass
class Order:
    name: str
    memory: float = 0.0
    kill: bool = False


def obey(order):
    """Gives the process' number of threads, or kills it."""
    if order.kill:
        os.kill(os.getpid(), 9)
    return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
