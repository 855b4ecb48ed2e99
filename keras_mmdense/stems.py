"""The names of stems."""

from collections.abc import Sequence

STEMS = ("vocals", "drums", "bass", "other")


def rest_name(stems: Sequence[str]) -> str | None:
    """Names what stems leave of the mixture.

    Args:
        stems: Names of stems.

    Returns:
        "accompaniment" beside vocals alone, else "remainder"; None if the stems are all there is.
    """
    if set(stems) >= set(STEMS) or "accompaniment" in stems:
        return None
    return "accompaniment" if set(stems) == {"vocals"} else "remainder"
