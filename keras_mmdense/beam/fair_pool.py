"""Things that threads share: first come, first served."""

import collections
import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class FairPool(Generic[Thing]):
    """Lends things to threads in the order in which they ask.

    A plain lock lets the thread that gives a thing back take it again at once, so that a long song
    could keep a model for itself.

    Args:
        things: What is lent.
    """

    def __init__(self, things: Iterable[Thing]):
        self._free = list(things)
        self._waiting: collections.deque[queue.SimpleQueue] = collections.deque()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Thing]:
        """Lend one thing for the time of the block, as soon as it is this thread's turn."""
        turn: queue.SimpleQueue = queue.SimpleQueue()
        with self._lock:
            if self._free:
                turn.put(self._free.pop())
            else:
                self._waiting.append(turn)
        thing = turn.get()
        try:
            yield thing
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().put(thing)
                else:
                    self._free.append(thing)
