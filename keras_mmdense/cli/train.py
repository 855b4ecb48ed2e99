"""The command `train`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keras_mmdense.cli.common import progress, quiet_startup, say, tell_terms
from keras_mmdense.data.augmentation_names import AUGMENTATIONS, PAPER
from keras_mmdense.errors import InputError

if TYPE_CHECKING:
    from keras_mmdense.training.config import TrainConfig

DATA, SCHEDULE, STEP, VALIDATION, HARDWARE = (
    "Data and model",
    "Schedule",
    "Optimization",
    "Validation",
    "Hardware",
)


def option(help: str, panel: str, default: str | bool = True, min: int | None = None) -> Any:
    """Declare an option that overrides the configuration file if it is given."""
    return typer.Option(help=help, rich_help_panel=panel, show_default=default, min=min)


def train(
    output: Annotated[Path, typer.Option(help="Folder for weights, curve and settings.")],
    config: Annotated[
        Path | None, option("JSON file of settings, which other options override.", DATA)
    ] = None,
    root: Annotated[
        list[Path] | None,
        option("Folder of MUSDB18, MUSDB18-HQ, DSD100 or of songs; may be repeated.", DATA),
    ] = None,
    target: Annotated[
        list[str] | None,
        option(
            "Stem to estimate; may be repeated for one network of several stems.", DATA, "vocals"
        ),
    ] = None,
    model: Annotated[
        str | None, option("A network of the zoo, or a .json table.", DATA, "mmdensenet")
    ] = None,
    epochs: Annotated[int | None, option("Epochs.", SCHEDULE, "50", min=1)] = None,
    steps: Annotated[int | None, option("Batches per epoch.", SCHEDULE, "100", min=1)] = None,
    early_stopping: Annotated[
        int | None,
        option(
            "Stop after this many epochs without a lower validation loss.", SCHEDULE, "never", min=0
        ),
    ] = None,
    batch: Annotated[
        int | None, option("Chunks per batch, over all devices.", STEP, "8", min=1)
    ] = None,
    frames: Annotated[int | None, option("Frames per chunk.", STEP, "256", min=2)] = None,
    augment: Annotated[
        str | None,
        option(
            f"Comma-separated steps of the augmentation ({','.join(AUGMENTATIONS)}), or none.",
            STEP,
            ",".join(PAPER),
        ),
    ] = None,
    optimizer: Annotated[str | None, option("adam, muon or rmsprop.", STEP, "adam")] = None,
    learning_rate: Annotated[
        float | None, option("Initial learning rate.", STEP, "0.001", min=0)
    ] = None,
    schedule: Annotated[
        str | None, option("Learning rate schedule: cosine, plateau or constant.", STEP, "cosine")
    ] = None,
    patience: Annotated[
        int | None,
        option(
            "Epochs without a lower validation loss before plateau lowers the rate.",
            STEP,
            "5",
            min=1,
        ),
    ] = None,
    loss: Annotated[
        str | None, option("Loss: mse, l1, complex, relative, snr or wiener.", STEP, "mse")
    ] = None,
    init: Annotated[
        str | None,
        option("Trained network to start from, by name or folder.", DATA, "random weights"),
    ] = None,
    clip: Annotated[
        float | None, option("Maximum norm of the gradient.", STEP, "no limit", min=0)
    ] = None,
    average: Annotated[
        bool | None,
        typer.Option(
            "--average/--no-average",
            help="Validate and keep the average of the weights over about an epoch.",
            rich_help_panel=VALIDATION,
            show_default="average",
        ),
    ] = None,
    sdr_every: Annotated[
        int | None,
        option(
            "Epochs between measurements of SDR on validation songs; 0 for none.",
            VALIDATION,
            "5",
            min=0,
        ),
    ] = None,
    keep: Annotated[
        str | None, option("Weights to keep: those of the best sdr or loss.", VALIDATION, "sdr")
    ] = None,
    precision: Annotated[
        str | None, option("float32, mixed_float16 or mixed_bfloat16.", HARDWARE, "float32")
    ] = None,
    devices: Annotated[
        int | None, option("Devices that share a batch.", HARDWARE, "1", min=1)
    ] = None,
    seed: Annotated[
        int | None, option("Seed of weights and batches.", HARDWARE, "0", min=0)
    ] = None,
    cache: Annotated[
        Path | None, option("Folder for decoded songs.", HARDWARE, "OUTPUT/cache")
    ] = None,
) -> None:
    """Train a network on songs with stems, remixed across songs.

    OUTPUT contains the best network and its card, the learning curve as CSV and PNG, and
    TensorBoard's logs. `separate` and `evaluate` accept OUTPUT as a model. Rerun the command to
    resume an interrupted run; it ends with the same weights.

    Example: keras-mmdense train --root musdb18 --target vocals --output runs/vocals
    """
    given = {name: value for name, value in locals().items() if value is not None}
    from keras_mmdense.utils.imports import require

    require("train", "train", "matplotlib")
    settings = _settings(given)
    with quiet_startup():
        from keras_mmdense.training import fit
        from keras_mmdense.training.run_folder import find_run
        from keras_mmdense.utils.files import check_writable
    check_writable(output)
    if settings.init is not None:
        tell_terms(settings.init)
    if find_run(output, settings).get("finished"):
        say(f"{output}: all {settings.epochs} epochs are done")
        return
    with progress() as report:
        songs = fit.load_songs(settings, cache or output / "cache", report("Decoding songs"))
    fit.train(settings, songs, output, shlex.join(["keras-mmdense", *sys.argv[1:]]))
    say(f"{output}: network.json, network.weights.h5, CARD.md, curve.csv, curve.png")


def _settings(given: dict[str, Any]) -> "TrainConfig":
    """Return the settings of the configuration file, overridden by the command line."""
    from keras_mmdense.training.config import TrainConfig, read_settings

    fields = read_settings(given["config"]) if "config" in given else {}
    fields |= {x: given[x] for x in given if x in TrainConfig.__dataclass_fields__}
    if given.get("root"):
        fields["datasets"] = [{"root": folder} for folder in given["root"]]
    if given.get("target"):
        fields["targets"] = tuple(given["target"])
    if "augment" in given:
        names = given["augment"].split(",")
        fields["augment"] = () if names == ["none"] else tuple(names)
    if not fields.get("datasets") and "config" not in given:
        raise InputError("no songs to train on: use --root, or --config with datasets")
    return TrainConfig.from_dict(fields)
