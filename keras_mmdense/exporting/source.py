"""Sources of an exported file: networks in float32, and the model card."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_mmdense.errors import InputError
from keras_mmdense.models.precision import dtype_policy
from keras_mmdense.pretrained.catalog import WEIGHTS, network_folder, read_card
from keras_mmdense.pretrained.network_card import NETWORK, NetworkCard, join_terms
from keras_mmdense.pretrained.networks import LoadedNetwork, load_network
from keras_mmdense.separation.graph import WINDOW_FRAMES
from keras_mmdense.separation.separator import Separator
from keras_mmdense.utils.files import read_json, sha256

SCORES = "scores/scores.json"


@dataclasses.dataclass(frozen=True)
class Source:
    """Source of an exported file.

    Args:
        networks: Trained networks from magnitude to magnitudes, and their specs.
        separator: The separator with their graph from waveform to stems, and the model card.
    """

    networks: tuple[LoadedNetwork, ...]
    separator: Separator


def load_source(models: Sequence[str | Path], window: int = WINDOW_FRAMES) -> Source:
    """Load trained networks for export, in float32 regardless of the global dtype policy.

    Args:
        models: Names or folders that `networks.load_network` takes.
        window: Frames of a window that are kept, see `Separator`.

    Returns:
        The networks and the separator around them.

    Raises:
        InputError: If a network is unknown, or the networks cannot be combined.
    """
    with dtype_policy("float32"):
        networks = tuple(load_network(model) for model in models)
        separator = Separator.from_networks(networks, window=window)
    folders = [network_folder(model) for model in models]
    cards = {folder: read_card(folder) for folder in folders}
    separator.card = dataclasses.replace(
        separator.card,
        weights=tuple(sha256(folder / WEIGHTS) for folder in folders),
        license=join_terms(*cards.values()),
        scores={
            folder.name: scores
            for folder, card in cards.items()
            if (scores := _scores(folder, card))
        },
    )
    return Source(networks, separator)


def _scores(folder: Path, card: NetworkCard) -> dict[str, Any]:
    """Return SDR by stem and its data, from `evaluate --output FOLDER/scores` or the card."""
    path = folder / SCORES
    if path.is_file():
        content = read_json(path)
        try:
            own = [name for name in content["systems"] if Path(name).name == folder.name]
            summary = content["systems"][own[0]]["summary"] if own else {}
            sdr = {stem: row["SDR"] for stem, row in summary.items()}
            rule = content["rule"]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not a file of scores: {error!r}") from error
        data = content.get("data", "not named in the file of scores")
        return {"data": data, "rule": rule, "sdr": sdr} if sdr else {}
    for table in card.scores:
        if scores := table.systems.get(NETWORK):
            values = {
                stem: value[0] if isinstance(value, tuple) else value
                for stem, value in scores.items()
            }
            return {"data": table.data, "sdr": values}
    return {}
