"""Songs that fail: a kind, a reason in one line, and metrics."""

import dataclasses
from collections.abc import Callable
from typing import Any

from apache_beam.metrics import Metrics

from keras_mmdense.errors import InputError, first_line

NAMESPACE = "keras_mmdense"
FAILURES = "failures"  # the output of transforms that holds them


class BrokenWorker(Exception):
    """A worker that cannot separate any song; stops the pipeline, where a runner does not help."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """A song that could not be done.

    Args:
        input: Its URL.
        kind: "input" (the song is at fault), "storage" (a file system is) or "internal".
        reason: Why, in one line.
    """

    input: str
    kind: str
    reason: str


def attempt(url: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function, and turn what it raises into a failure.

    Args:
        url: The song.
        work: The function.
        *arguments: Its arguments.

    Returns:
        What it returns, or a `Failure`.

    Raises:
        BrokenWorker: If the function does.
    """
    try:
        return work(*arguments)
    except BrokenWorker:
        raise
    except InputError as error:
        kind, reason = "input", str(error)
    except OSError as error:
        kind, reason = "storage", f"{url}: {error.strerror or first_line(error)}"
    except Exception as error:  # whatever it is, the other songs are still to be done
        kind, reason = "internal", f"{url}: {type(error).__name__}: {first_line(error)}"
    return Failure(url, kind, " ".join(reason.splitlines()))


def count_failure(failure: Failure) -> Failure:
    """Count a failure, by its kind, in Beam's metrics."""
    Metrics.counter(NAMESPACE, f"failed_{failure.kind}").inc()
    return failure
