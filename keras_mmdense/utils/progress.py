"""How long work tells how far it is."""

from collections.abc import Callable

# Called with (done, total).
Progress = Callable[[int, int], None]
