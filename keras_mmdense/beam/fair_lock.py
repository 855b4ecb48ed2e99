"""A lock for threads that take turns: first come, first served."""

import collections
import threading
from types import TracebackType


class FairLock:
    """A lock that threads get in the order in which they ask for it; a context manager.

    With a plain lock, the thread that releases it may take it again at once, so that a long song
    could keep a model for itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: collections.deque[threading.Event] = collections.deque()

    def __enter__(self) -> None:
        turn = threading.Event()
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            self._waiting.append(turn)
        turn.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # it stays taken, for the thread that waited longest
            else:
                self._taken = False
