"""Numbers and rules in words, for every form of a report."""

from __future__ import annotations

import math

from keras_mmdense.evaluation.protocols import Rule, find_rule

SILENCES = {
    "reference": "true stem silent",
    "estimate": "estimate silent",
    "frames": "no frame in which all stems sound",
}


def decibels(value: float | None) -> str:
    """A score with two digits and a true minus sign; a dash where there is none.

    Beyond 100 dB the error is rounding: the mixture, for one, has no artifacts.
    """
    if value is None or math.isnan(value):
        return "–"
    if value > 100:
        return ">100"
    return f"{value:.2f}".replace("-", "−").replace("inf", "∞")


def duration(seconds: float | None) -> str:
    """A time in the unit that fits it, a dash where it is not known."""
    if seconds is None:
        return "–"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def billions(number: float | None) -> str:
    """A number in units of 10^9, a dash where it is not known."""
    return "–" if number is None else f"{number / 1e9:.2f} G"


def describe(rule: Rule | str, capital: bool = False) -> str:
    """A rule, or the rule of a name, in words."""
    words = find_rule(rule).describe()
    return words[0].upper() + words[1:] if capital else words


def literal(name: str) -> str:
    """Returns a name for a figure, in which matplotlib finds no formula and no lone surrogate."""
    return name.encode(errors="backslashreplace").decode().replace("$", r"\$")
