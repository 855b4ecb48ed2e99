"""The type of progress callbacks."""

from collections.abc import Callable

# Takes (done, total).
Progress = Callable[[int, int], None]
