"""Settings of a training run."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keras_mmdense.data.augmentation_names import AUGMENTATIONS, PAPER
from keras_mmdense.data.datasets import DatasetSpec
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS
from keras_mmdense.utils.files import read_json
from keras_mmdense.utils.values import is_number, is_whole

OPTIMIZERS = ("adam", "muon", "rmsprop")
LOSSES = ("mse", "l1", "complex", "relative", "snr", "wiener")
KEEP = ("sdr", "loss")
MAX_SEED = 2**32 - 1
SCHEDULES = ("cosine", "plateau", "constant")
# Whether a value is allowed, and what is.
Allowed = tuple[Callable[[Any], bool], str]
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; equal settings produce equal weights.

    Args:
        datasets: Data sets, whose songs are mixed with each other.
        model: A network of the zoo, or the path of a .json table. Defaults to `"mmdensenet"`.
        targets: Stems that the network estimates. Defaults to `("vocals",)`.
        epochs: Maximum number of epochs. Defaults to `50`.
        steps: Batches per epoch. Defaults to `100`.
        batch: Chunks per batch, over all devices. Defaults to `8`.
        frames: Frames per chunk. Defaults to `256`.
        optimizer: "adam", "muon" or "rmsprop", see `Muon`. Defaults to `"adam"`.
        learning_rate: Initial learning rate. Defaults to `0.001`.
        schedule: "cosine" decays to zero over all epochs; "plateau" divides the rate by ten, once,
            after `patience` epochs without a lower validation loss; "constant" keeps it. Defaults
            to `"cosine"`.
        patience: Epochs that "plateau" waits. Defaults to `5`.
        early_stopping: Epochs without a lower validation loss after which training stops. Defaults
            to `0`: never.
        clip: Maximum norm of the gradient over all weights. Defaults to `0`: no limit.
        average: Whether to validate and keep the exponential average of the weights over about the
            last epoch instead of the weights themselves. Defaults to `True`.
        precision: Keras' dtype policy for the network's layers. Defaults to `"float32"`.
        devices: Devices that share a batch. Defaults to `1`.
        augment: Steps of the augmentation, see `RemixedChunks`. Defaults to those of the paper.
        sdr_every: Epochs between measurements of SDR on validation songs; 0 for none. Defaults to
            `5`.
        loss: "mse" or "l1" of magnitudes; "complex", the MSE, or "snr", the signal-to-noise ratio
            of each source, of the magnitudes with the mixture's phase; "relative", the MSE relative
            to the level of the example where the magnitudes share the mixture by their ratio;
            "wiener", "snr" after the Wiener filter. See `losses`. Defaults to `"mse"`.
        keep: Epoch whose weights are kept: "sdr", that with the highest mean SDR among those
            measured, or "loss", that with the lowest validation loss. Defaults to `"sdr"`.
        init: Trained network of the same table to start from, by name or folder. If it has other
            targets, its last block and its output start from random weights. Defaults to `""`:
            random weights.
        seed: Seed of initial weights and batches. Defaults to `0`.

    Raises:
        InputError: If a value is not allowed.
    """

    datasets: tuple[DatasetSpec, ...]
    model: str = "mmdensenet"
    targets: tuple[str, ...] = ("vocals",)
    epochs: int = 50
    steps: int = 100
    batch: int = 8
    frames: int = 256
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    patience: int = 5
    early_stopping: int = 0
    clip: float = 0.0
    average: bool = True
    precision: str = "float32"
    devices: int = 1
    augment: tuple[str, ...] = PAPER
    sdr_every: int = 5
    loss: str = "mse"
    keep: str = "sdr"
    init: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed, expected in _RULES:
            if not allowed(getattr(self, name)):
                raise InputError(f"{name} must be {expected}, received {getattr(self, name)!r}")
        if self.batch % self.devices:
            raise InputError(f"batch must be a multiple of {self.devices} devices: {self.batch}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain dicts and lists, ready for JSON, with absolute roots."""
        fields = dataclasses.asdict(self)
        for dataset in fields["datasets"]:
            dataset["root"] = str(Path(dataset["root"]).resolve())
        return json.loads(json.dumps(fields))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "TrainConfig":
        """Create settings from what `to_dict` returned, or a part of it.

        Args:
            fields: Values by name; "datasets" is a list of dicts, see `DatasetSpec.from_dict`.

        Returns:
            The settings; those not given have their defaults.

        Raises:
            InputError: If a name is unknown, "datasets" is missing, or a value is not allowed.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in names:
                raise InputError(f"unknown setting {name!r}; choose from {', '.join(names)}")
        datasets = fields.get("datasets")
        if not isinstance(datasets, list | tuple) or not datasets:
            raise InputError(f'"datasets" must be a list of data sets, received {datasets!r}')
        read = {name: _read(fields[name]) for name in fields}
        read["datasets"] = tuple(
            entry if isinstance(entry, DatasetSpec) else DatasetSpec.from_dict(entry)
            for entry in datasets
        )
        return cls(**read)


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read a file of settings for `TrainConfig.from_dict`.

    Args:
        path: A JSON file.

    Returns:
        Its fields.

    Raises:
        InputError: If it is missing or is not a JSON object.
    """
    return read_json(path)


def _read(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _whole(low: int, high: int | None = None) -> Allowed:
    reach = f"{low} up" if high is None else f"{low} to {high}"
    return lambda value: is_whole(value, low, high), f"a whole number from {reach}"


def _choice(choices: tuple[str, ...]) -> Allowed:
    return choices.__contains__, f"one of {', '.join(choices)}"


def _several(choices: tuple[str, ...], least: int) -> Allowed:
    def allowed(values: Any) -> bool:
        known = isinstance(values, tuple) and all(value in choices for value in values)
        return known and len(values) == len(set(values)) >= least

    return allowed, f"distinct names of {', '.join(choices)}"


_AMOUNT: Allowed = (lambda value: is_number(value, 0), "a number from 0 up")
_RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("model", lambda value: isinstance(value, str), "a name"),
    ("targets", *_several(STEMS, 1)),
    *((name, *_whole(1)) for name in ("epochs", "steps", "batch", "patience", "devices")),
    ("frames", *_whole(2)),
    ("optimizer", *_choice(OPTIMIZERS)),
    *((name, *_AMOUNT) for name in ("learning_rate", "clip")),
    ("schedule", *_choice(SCHEDULES)),
    *((name, *_whole(0)) for name in ("early_stopping", "sdr_every")),
    ("seed", *_whole(0, MAX_SEED)),
    ("average", lambda value: isinstance(value, bool), "true or false"),
    ("precision", *_choice(PRECISIONS)),
    ("augment", *_several(AUGMENTATIONS, 0)),
    ("loss", *_choice(LOSSES)),
    ("keep", *_choice(KEEP)),
    ("init", lambda value: isinstance(value, str), "a name or a folder"),
)
