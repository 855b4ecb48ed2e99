"""Formatting of numbers and rules in reports."""

from __future__ import annotations

import math

from keras_mmdense.evaluation.protocols import Rule, find_rule

SILENCES = {
    "reference": "true stem silent",
    "estimate": "estimate silent",
    "frames": "no frame in which all stems sound",
}


def decibels(value: float | None) -> str:
    """Format a score with two digits and a true minus sign; a dash if there is none.

    Above 100 dB the error is rounding: the mixture, for example, has no artifacts.
    """
    if value is None or math.isnan(value):
        return "–"
    if value > 100:
        return ">100"
    return f"{value:.2f}".replace("-", "−").replace("inf", "∞")


def duration(seconds: float | None) -> str:
    """Format a time in a suitable unit; a dash if it is not known."""
    if seconds is None:
        return "–"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def billions(number: float | None) -> str:
    """Format a number in units of 10^9; a dash if it is not known."""
    return "–" if number is None else f"{number / 1e9:.2f} G"


def describe(rule: Rule | str, capital: bool = False) -> str:
    """Describe a rule, or the rule of a name, in words."""
    words = find_rule(rule).describe()
    return words[0].upper() + words[1:] if capital else words


def literal(name: str) -> str:
    """Escape a name for matplotlib: no formulas, no lone surrogates."""
    return name.encode(errors="backslashreplace").decode().replace("$", r"\$")
