"""Loading and saving of trained networks as folders, which `catalog` finds."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_mmdense.configs import ModelConfig
from keras_mmdense.configs.size import check_size
from keras_mmdense.errors import InputError, first_line
from keras_mmdense.models.registry import build
from keras_mmdense.models.weights_file import load_weights, save_weights
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
    """Description of a network.

    Args:
        config: Table of the network.
        targets: Names of the targets, in the order of the output.
        bins: Frequency bins of the spectrograms. Defaults to those of the table.
        channels: Audio channels. Defaults to `2`.

    Raises:
        InputError: If a target's name is not valid as a file name.
    """

    config: ModelConfig
    targets: tuple[str, ...]
    bins: int = None  # type: ignore[assignment]  # set in __post_init__
    channels: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", check_names("targets", self.targets))
        if self.bins is None:
            object.__setattr__(self, "bins", self.config.bins)

    def build(self) -> keras.Model:
        """Build the network with random weights, for any number of frames."""
        return build(self.config, targets=self.targets, bins=self.bins, channels=self.channels)


class LoadedNetwork(NamedTuple):
    """A network with its weights.

    Args:
        spec: Its spec.
        model: The model from the mixture's magnitude to the targets'.
    """

    spec: NetworkSpec
    model: keras.Model


def save_network(
    folder: str | Path,
    spec: NetworkSpec,
    model: keras.Model,
    card: NetworkCard | None = None,
    dtype: str = "float32",
) -> None:
    """Write a network: its weights, then its description.

    Args:
        folder: Folder to write to; created if it is missing.
        spec: Spec of the network.
        model: The network, of the structure that `spec.build()` returns.
        card: Its card, None if there is none.
        dtype: "float32", or "float16" to store the weights in half the size. Defaults to
            `"float32"`.
    """
    folder = Path(folder)
    with replacing(folder / WEIGHTS) as partial:
        save_weights(model, partial, dtype)
        digest = sha256(partial)
    write_description(folder, spec, digest, card)


def write_description(
    folder: Path, spec: NetworkSpec, digest: str, card: NetworkCard | None
) -> None:
    """Write `network.json`.

    Args:
        folder: Folder of the network.
        spec: Spec of the network.
        digest: Sha256 of its weights file.
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
        text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        # Names of folders may hold bytes that are no UTF-8.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def load_network(name: str | Path) -> LoadedNetwork:
    """Load a trained network.

    Args:
        name: Name of a shipped network, or a folder that `train` or `save_model` wrote.

    Returns:
        The spec and the network with its weights.

    Raises:
        InputError: If there is no such network, or its files do not match.
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
    """Read the spec of a network, without building it.

    Args:
        folder: Folder of the network.

    Returns:
        The spec, and the sha256 of the weights file.

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
