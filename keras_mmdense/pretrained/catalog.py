"""Folders of trained networks and their cards, read without Keras or a backend.

A folder holds `network.json` (table, targets, sizes, sha256 of the weights, card), the weights, and
`CARD.md`, which `keras_mmdense.pretrained.card` renders.
"""

import fnmatch
import json
from pathlib import Path
from typing import Any

from keras_mmdense.errors import InputError
from keras_mmdense.pretrained.network_card import UNKNOWN, NetworkCard, Score, ScoreTable
from keras_mmdense.utils.files import MAX_JSON

SHIPPED = Path(__file__).parent
DESCRIPTION = "network.json"
WEIGHTS = "network.weights.h5"
CARD = "CARD.md"
DEFAULT = "mdensenet_cws_4stems"  # the network that commands and separators load by default


def list_weights(pattern: str = "*") -> list[str]:
    """List the trained networks that come with the package.

    Args:
        pattern: Shell pattern that names must match.

    Returns:
        The names, sorted.
    """
    names = [path.parent.name for path in SHIPPED.glob(f"*/{DESCRIPTION}")]
    return sorted(fnmatch.filter(names, pattern))


def network_folder(name: str | Path) -> Path:
    """Return the folder of a network.

    Args:
        name: A shipped network by name, any other by path.

    Returns:
        The folder, which may not exist.
    """
    return SHIPPED / name if str(name) in list_weights() else Path(name)


def read_card(folder: Path) -> NetworkCard:
    """Read the card of a network.

    Args:
        folder: Folder of the network.

    Returns:
        The card in `network.json`; if it has none, the terms and scores of an older `CARD.md`.

    Raises:
        InputError: If `network.json` is damaged.
    """
    path = folder / DESCRIPTION
    card = parse_description(path)[1]
    return _read_old_card(folder / CARD) if card is None else card


def parse_description(path: Path) -> tuple[dict[str, Any], NetworkCard | None]:
    """Read a `network.json`.

    Args:
        path: The file.

    Returns:
        Its other fields, and its card, or None if it has none.

    Raises:
        InputError: If there is no such file, or it is not a description of a network.
    """
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError(f"larger than {MAX_JSON >> 20} MB")
        fields = json.loads(path.read_text(encoding="utf-8"))
        card = fields.pop("card", None)
        return fields, None if card is None else NetworkCard.from_dict(card)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not the description of a network: {error}") from error


def _read_old_card(path: Path) -> NetworkCard:
    """Read the terms and scores from the prose of a card of 0.1.0."""
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    spellings = ("License:", "Licence:")
    terms = [line.partition(":")[2].strip() for line in lines if line.startswith(spellings)]
    try:
        return NetworkCard(terms=terms[0] if terms else UNKNOWN, scores=_old_scores(lines))
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: its terms or scores cannot be read: {error}") from error


def _old_scores(lines: list[str]) -> tuple[ScoreTable, ...]:
    """Read the "separated" column of a table of scores, and the line above it."""
    heads = [i for i, line in enumerate(lines) if line.startswith("| stem") and "separated" in line]
    if not heads:
        return ()
    head = heads[0]
    column = _cells(lines[head]).index("separated")
    rows = [_cells(line) for line in lines[head + 2 :] if line.startswith("|")]
    stems: dict[str, Score] = {row[0]: float(row[column]) for row in rows if row[0] != "mean"}
    data = [line for line in lines[:head] if line.strip()][-1].rstrip(":")
    return (ScoreTable(data, "", {"separated": stems}),)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| \n").split("|")]
