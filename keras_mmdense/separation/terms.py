"""Terms of use of an artifact, read without loading its network."""

import contextlib
from pathlib import Path

from keras_mmdense.pretrained.catalog import DESCRIPTION, network_folder, read_card
from keras_mmdense.pretrained.network_card import is_restricted, join_terms
from keras_mmdense.separation.engines import litert
from keras_mmdense.separation.model_card import SAVED_MODEL_CARD, ModelCard


def research_terms(name: str | Path) -> str | None:
    """Return the terms of an artifact whose stems may be used for research only.

    Args:
        name: Name or folder of a network, a SavedModel folder or a `.tflite` file.

    Returns:
        The terms in one line; None for other terms, and for files without a card.

    Raises:
        InputError: If the card is damaged.
    """
    folder = network_folder(name)
    if (folder / DESCRIPTION).is_file():
        card = read_card(folder)
        return join_terms(card) if card.restricted else None
    terms = _exported_terms(Path(name))
    return terms if is_restricted(terms) else None


def _exported_terms(path: Path) -> str:
    if (path / SAVED_MODEL_CARD).is_file():
        text = (path / SAVED_MODEL_CARD).read_text(encoding="utf-8", errors="replace")
        return ModelCard.from_json(text, str(path / SAVED_MODEL_CARD)).license
    if path.suffix == ".tflite" and path.is_file():
        with contextlib.suppress(ImportError):  # the engine says what is missing
            return litert.read_card(path).license
    return ""
