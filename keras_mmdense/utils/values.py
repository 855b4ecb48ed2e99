"""Checks of numbers in cards, tables and settings."""

import math
from typing import Any

from keras_mmdense.errors import InputError

# Lowest and highest values of a signal's properties. They keep a malicious file from requesting any
# amount of memory.
SIGNAL_LIMITS = {
    "sample_rate": (1000, 768_000),
    "channels": (1, 64),
    "n_fft": (2, 1 << 17),
    "hop": (1, 1 << 17),
}


def is_whole(value: Any, low: int = 1, high: int | None = None) -> bool:
    """Return whether a value is an integer (and not a bool) in a range.

    Args:
        value: The value.
        low: Lowest value. Defaults to `1`.
        high: Highest value. Defaults to `None`: no limit.

    Returns:
        Whether it is.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return low <= value and (high is None or value <= high)


def is_number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    """Return whether a value is a finite number (and not a bool) in a range.

    Args:
        value: The value.
        low: Lowest value. Defaults to `-inf`.
        high: Highest value. Defaults to `inf`.

    Returns:
        Whether it is.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and low <= value <= high


def check_whole(name: str, value: Any, low: int = 1, high: int | None = None) -> None:
    """Check that a value is an integer in a range.

    Args:
        name: Name of the value.
        value: The value.
        low: Lowest value. Defaults to `1`.
        high: Highest value. Defaults to `None`: no limit.

    Raises:
        InputError: If it is not.
    """
    if not is_whole(value, low, high):
        reach = f"{low} up" if high is None else f"{low} to {high}"
        raise InputError(f"{name} must be a whole number from {reach}, received {value!r}")


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Check that a value is a finite number in a range.

    Args:
        name: Name of the value.
        value: The value.
        low: Lowest value.
        high: Highest value.

    Raises:
        InputError: If it is not.
    """
    if not is_number(value, low, high):
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, received {value!r}")
