"""Trained networks on disk: a folder with `network.json`, its weights, and a card.

`network.json` says what the weights belong to: the table, the targets, the sizes and the sha256 of
the weights file. A training run writes such a folder, and the package ships some of them.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_mmdense.configs import ModelConfig
from keras_mmdense.configs.size import check_size
from keras_mmdense.errors import InputError, first_line
from keras_mmdense.models.registry import build
from keras_mmdense.models.weights_file import load_weights
from keras_mmdense.stems import check_names
from keras_mmdense.utils.files import replacing, sha256

SHIPPED = Path(__file__).parent
DESCRIPTION = "network.json"
WEIGHTS = "network.weights.h5"
CARD = "CARD.md"


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """What a network on disk is.

    Args:
        config: Its table.
        targets: Names of its targets, in the order of its output.
        bins: Frequency bins of its spectrograms; None stands for those of the table.
        channels: Audio channels.

    Raises:
        InputError: If a source has no name that files can be called by.
    """

    config: ModelConfig
    targets: tuple[str, ...]
    bins: int | None = None
    channels: int = 2

    def __post_init__(self):
        object.__setattr__(self, "targets", check_names("targets", self.targets))
        if self.bins is None:
            object.__setattr__(self, "bins", self.config.bins)

    def build(self) -> keras.Model:
        """Builds the network with random weights; takes any number of frames."""
        sizes = {"bins": self.bins, "channels": self.channels}
        return build(self.config, targets=self.targets, **sizes)


class LoadedNetwork(NamedTuple):
    """A network with its weights.

    Args:
        spec: What it is.
        model: From the mixture's magnitude to the targets'.
    """

    spec: NetworkSpec
    model: keras.Model


def list_weights() -> list[str]:
    """Lists the trained networks that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{DESCRIPTION}"))


def describe(name: str) -> tuple[NetworkSpec, str]:
    """Gives what a network of the package is, and the license line of its card."""
    folder = SHIPPED / name
    spec, _ = _read_description(folder / DESCRIPTION)
    return spec, weights_license(folder)


def network_folder(name: str | Path) -> Path:
    """Gives the folder of a network that comes with the package, by name, or the path itself."""
    return SHIPPED / name if str(name) in list_weights() else Path(name)


def card_lines(folder: Path) -> list[str]:
    """Reads the lines of a network's card; none where it has no card."""
    path = folder / CARD
    return path.read_text().splitlines() if path.is_file() else []


def weights_license(folder: Path) -> str:
    """Gives the terms that a network's card states, "unknown" where it states none."""
    spellings = ("License:", "Licence:")  # the second one: 0.1.0
    lines = [line for line in card_lines(folder) if line.startswith(spellings)]
    return lines[0].partition(":")[2].strip() if lines else "unknown"


def save_network(folder: str | Path, spec: NetworkSpec, model: keras.Model) -> None:
    """Writes a network: its weights, then its description.

    Args:
        folder: Folder to write to; made if it is missing.
        spec: What the network is.
        model: The network, as `spec.build()` gives it.
    """
    folder = Path(folder)
    with replacing(folder / WEIGHTS) as partial:
        model.save_weights(partial)
        digest = sha256(partial)
    description: dict[str, Any] = {
        "table": spec.config.to_dict(),
        "targets": spec.targets,
        "bins": spec.bins,
        "channels": spec.channels,
        "sha256": digest,
    }
    with replacing(folder / DESCRIPTION) as partial:
        partial.write_text(json.dumps(description, indent=2) + "\n")


def load_network(name: str | Path) -> LoadedNetwork:
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
    spec, digest = _read_description(path)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError(f"{weights}: no such file")
    if sha256(weights) != digest:
        raise InputError(f"{weights}: not the weights that {path.name} describes (sha256 differs)")
    try:
        model = spec.build()
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: no network of this table: {first_line(error)}") from error
    load_weights(model, weights)
    return LoadedNetwork(spec, model)


def _read_description(path: Path) -> tuple[NetworkSpec, str]:
    try:
        fields = json.loads(path.read_text())
        digest = fields.pop("sha256")
        if "sources" in fields:  # 0.1.0
            fields["targets"] = fields.pop("sources")
        config = ModelConfig.from_dict(fields.pop("table"))
        spec = NetworkSpec(config, fields.pop("targets"), **fields)
        check_names("the table's name", (config.name,))
        check_size(config, spec.bins, spec.channels)
        return spec, digest
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not the description of a network: {error}") from error
