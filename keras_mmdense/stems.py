"""Stems and their names."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from keras_mmdense.errors import InputError

# Name -> waveform (samples, channels).
Stems = Mapping[str, np.ndarray]

STEMS = ("vocals", "drums", "bass", "other")
_NAME = re.compile(r"\w[\w .+-]{0,63}")


def check_names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """Check names that are used as file names.

    Args:
        what: Description of the names, such as "stems".
        names: The names.

    Returns:
        The names as a tuple.

    Raises:
        InputError: If there are none, they are not distinct, or one does not consist of up to 64
            letters, digits, spaces and any of `_.+-`, starting with a letter or digit.
    """
    fits = isinstance(names, list | tuple) and all(
        isinstance(name, str) and _NAME.fullmatch(name) for name in names
    )
    if not fits or not names or len(set(names)) != len(names):
        raise InputError(
            f"{what} must be distinct names of letters, digits and any of ' _.+-', up to 64 long, "
            f"received {names!r}"
        )
    return tuple(names)


def rest_name(stems: Sequence[str]) -> str | None:
    """Name the rest of the mixture that stems leave.

    Args:
        stems: Names of stems.

    Returns:
        "accompaniment" if the only stem is vocals, otherwise "remainder"; None if nothing is left.
    """
    if set(stems) >= set(STEMS) or "accompaniment" in stems:
        return None
    return "accompaniment" if set(stems) == {"vocals"} else "remainder"
