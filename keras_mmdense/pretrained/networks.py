"""Trained networks on disk: a folder with `network.json`, its weights, and a card.

`network.json` says what the weights belong to: the table, the sources, the sizes and the sha256 of
the weights file. A training run writes such a folder, and the package ships some of them.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras

from keras_mmdense.configs import ModelConfig
from keras_mmdense.configs.size import check_size
from keras_mmdense.errors import InputError
from keras_mmdense.models.registry import build
from keras_mmdense.models.weights_file import load_weights
from keras_mmdense.stems import check_names
from keras_mmdense.utils.files import replacing, sha256

SHIPPED = Path(__file__).parent
DESCRIPTION = "network.json"
WEIGHTS = "network.weights.h5"
CARD = "CARD.md"


@dataclasses.dataclass(frozen=True)
class Network:
    """What a network on disk is.

    Args:
        config: Its table.
        sources: Names of its sources, in the order of its output.
        bins: Frequency bins of its spectrograms; None stands for those of the table.
        channels: Audio channels.

    Raises:
        InputError: If a source has no name that files can be called by.
    """

    config: ModelConfig
    sources: tuple[str, ...]
    bins: int | None = None
    channels: int = 2

    def __post_init__(self):
        object.__setattr__(self, "sources", check_names("sources", self.sources))
        if self.bins is None:
            object.__setattr__(self, "bins", self.config.bins)

    def build(self) -> keras.Model:
        """Builds the network with random weights; takes any number of frames."""
        sizes = {"bins": self.bins, "channels": self.channels}
        return build(self.config, sources=self.sources, **sizes)


def list_weights() -> list[str]:
    """Lists the trained networks that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{DESCRIPTION}"))


def describe(name: str) -> tuple[Network, str]:
    """Gives what a network of the package is, and the licence line of its card."""
    folder = SHIPPED / name
    network, _ = _read_description(folder / DESCRIPTION)
    return network, licence(folder)


def network_folder(name: str | Path) -> Path:
    """Gives the folder of a network that comes with the package, by name, or the path itself."""
    return SHIPPED / name if str(name) in list_weights() else Path(name)


def card_lines(folder: Path) -> list[str]:
    """Reads the lines of a network's card; none where it has no card."""
    path = folder / CARD
    return path.read_text().splitlines() if path.is_file() else []


def licence(folder: Path) -> str:
    """Gives the terms that a network's card states, "unknown" where it states none."""
    lines = [line for line in card_lines(folder) if line.startswith("Licence:")]
    return lines[0].removeprefix("Licence:").strip() if lines else "unknown"


def save_network(folder: str | Path, network: Network, model: keras.Model) -> None:
    """Writes a network: its weights, then its description.

    Args:
        folder: Folder to write to; made if it is missing.
        network: What the network is.
        model: The network, as `network.build()` gives it.
    """
    folder = Path(folder)
    with replacing(folder / WEIGHTS) as partial:
        model.save_weights(partial)
        digest = sha256(partial)
    description: dict[str, Any] = {
        "table": network.config.to_dict(),
        "sources": network.sources,
        "bins": network.bins,
        "channels": network.channels,
        "sha256": digest,
    }
    with replacing(folder / DESCRIPTION) as partial:
        partial.write_text(json.dumps(description, indent=2) + "\n")


def load_network(name: str | Path) -> tuple[Network, keras.Model]:
    """Loads a trained network.

    Args:
        name: Name of a network that comes with the package, or a folder that `train` wrote.

    Returns:
        What it is, and the network with its weights.

    Raises:
        InputError: If there is no such network, or its files do not belong together.
    """
    folder = network_folder(name)
    path = folder / DESCRIPTION
    if not path.is_file():
        choices = ", ".join(list_weights()) or "none is shipped"
        raise InputError(
            f"{name}: no trained network; expected a folder with {DESCRIPTION} or one of: {choices}"
        )
    network, digest = _read_description(path)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError(f"{weights}: no such file")
    if sha256(weights) != digest:
        raise InputError(f"{weights}: not the weights that {path.name} describes (sha256 differs)")
    model = network.build()
    load_weights(model, weights)
    return network, model


def _read_description(path: Path) -> tuple[Network, str]:
    try:
        fields = json.loads(path.read_text())
        digest = fields.pop("sha256")
        config = ModelConfig.from_dict(fields.pop("table"))
        network = Network(config, fields.pop("sources"), **fields)
        check_names("the table's name", (config.name,))
        check_size(config, network.bins, network.channels)
        return network, digest
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not the description of a network: {error}") from error
