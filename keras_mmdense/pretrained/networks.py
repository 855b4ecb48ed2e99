"""Trained networks on disk: loading and saving the folders that `catalog` finds."""

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
from keras_mmdense.pretrained.catalog import (
    DESCRIPTION,
    WEIGHTS,
    list_weights,
    network_folder,
    parse_description,
)
from keras_mmdense.pretrained.network_card import NetworkCard
from keras_mmdense.stems import check_names
from keras_mmdense.utils.files import replacing, sha256


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
    bins: int = None  # type: ignore[assignment]  # set below
    channels: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", check_names("targets", self.targets))
        if self.bins is None:
            object.__setattr__(self, "bins", self.config.bins)

    def build(self) -> keras.Model:
        """Builds the network with random weights; takes any number of frames."""
        return build(self.config, targets=self.targets, bins=self.bins, channels=self.channels)


class LoadedNetwork(NamedTuple):
    """A network with its weights.

    Args:
        spec: What it is.
        model: From the mixture's magnitude to the targets'.
    """

    spec: NetworkSpec
    model: keras.Model


def save_network(
    folder: str | Path, spec: NetworkSpec, model: keras.Model, card: NetworkCard | None = None
) -> None:
    """Write a network: its weights, then its description.

    Args:
        folder: Folder to write to; made if it is missing.
        spec: What the network is.
        model: The network, as `spec.build()` gives it.
        card: Where it comes from, None if that is not known.
    """
    folder = Path(folder)
    with replacing(folder / WEIGHTS) as partial:
        model.save_weights(partial)
        digest = sha256(partial)
    write_description(folder, spec, digest, card)


def write_description(
    folder: Path, spec: NetworkSpec, digest: str, card: NetworkCard | None
) -> None:
    """Write `network.json`.

    Args:
        folder: Folder of the network.
        spec: What the network is.
        digest: sha256 of its weights file.
        card: Its card, None for none.
    """
    description: dict[str, Any] = {
        "table": spec.config.to_dict(),
        "targets": spec.targets,
        "bins": spec.bins,
        "channels": spec.channels,
        "sha256": digest,
    }
    if card is not None:
        description["card"] = card.to_dict()
    with replacing(folder / DESCRIPTION) as partial:
        partial.write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n", "utf-8")


def load_network(name: str | Path) -> LoadedNetwork:
    """Load a trained network.

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
    spec, digest = read_description(folder)
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


def read_description(folder: Path) -> tuple[NetworkSpec, str]:
    """Read what a network is, without building it.

    Args:
        folder: Folder of the network.

    Returns:
        What it is, and the sha256 of its weights file.

    Raises:
        InputError: If `network.json` is missing or damaged.
    """
    path = folder / DESCRIPTION
    fields, _ = parse_description(path)
    try:
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
