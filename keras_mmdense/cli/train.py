"""Training a network."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keras_mmdense.cli.common import app, progress, quiet_startup, say, tell_terms
from keras_mmdense.data.augmentation_names import AUGMENTATIONS, PAPER
from keras_mmdense.errors import InputError

if TYPE_CHECKING:
    from keras_mmdense.training.config import TrainConfig

WHAT, LENGTH, STEP, JUDGE, MACHINE = "What", "How long", "A step", "Judging", "Machine"


def option(help: str, panel: str, default: str | bool = True, min: int | None = None) -> Any:
    """An option of which only what is given overrides the configuration file."""
    return typer.Option(help=help, rich_help_panel=panel, show_default=default, min=min)


@app.command()
def train(
    output: Annotated[Path, typer.Option(help="Folder for weights, curve and settings.")],
    config: Annotated[
        Path | None, option("JSON file of settings, which the other options override.", WHAT)
    ] = None,
    root: Annotated[
        list[Path] | None,
        option(
            "Folder of MUSDB18, MUSDB18-HQ, DSD100 or of songs; may be given several times.", WHAT
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        option("Stem to learn; give several for one network of several.", WHAT, "vocals"),
    ] = None,
    model: Annotated[
        str | None, option("A network of the zoo, or a .json table.", WHAT, "mmdensenet")
    ] = None,
    epochs: Annotated[int | None, option("Epochs.", LENGTH, "50", min=1)] = None,
    steps: Annotated[int | None, option("Batches an epoch.", LENGTH, "100", min=1)] = None,
    early_stopping: Annotated[
        int | None,
        option(
            "Stop after so many epochs without a lower validation loss.", LENGTH, "never", min=0
        ),
    ] = None,
    batch: Annotated[
        int | None, option("Chunks a batch, over all devices.", STEP, "8", min=1)
    ] = None,
    frames: Annotated[int | None, option("Frames a chunk.", STEP, "256", min=2)] = None,
    augment: Annotated[
        str | None,
        option(
            f"Steps of the augmentation with commas between ({','.join(AUGMENTATIONS)}), or none.",
            STEP,
            ",".join(PAPER),
        ),
    ] = None,
    optimizer: Annotated[str | None, option("adam or rmsprop.", STEP, "adam")] = None,
    learning_rate: Annotated[
        float | None, option("Learning rate at the start.", STEP, "0.001", min=0)
    ] = None,
    schedule: Annotated[
        str | None, option("Of the rate: cosine, plateau or constant.", STEP, "cosine")
    ] = None,
    patience: Annotated[
        int | None,
        option("Epochs without a lower validation loss before plateau's drop.", STEP, "5", min=1),
    ] = None,
    loss: Annotated[
        str | None, option("Of the network: mse, l1, complex, snr or wiener.", STEP, "mse")
    ] = None,
    init: Annotated[
        str | None,
        option("Trained network to start from, by name or folder.", WHAT, "random weights"),
    ] = None,
    clip: Annotated[
        float | None, option("Largest norm of the gradient.", STEP, "no limit", min=0)
    ] = None,
    average: Annotated[
        bool | None,
        typer.Option(
            "--average/--no-average",
            help="Judge and keep the average of the weights over about an epoch.",
            rich_help_panel=JUDGE,
            show_default="average",
        ),
    ] = None,
    sdr_every: Annotated[
        int | None,
        option("Epochs between SDRs of validation songs; 0 for none.", JUDGE, "5", min=0),
    ] = None,
    keep: Annotated[
        str | None, option("Weights to keep: of the best sdr or loss.", JUDGE, "sdr")
    ] = None,
    precision: Annotated[
        str | None, option("float32, mixed_float16 or mixed_bfloat16.", MACHINE, "float32")
    ] = None,
    devices: Annotated[
        int | None, option("Devices that share a batch.", MACHINE, "1", min=1)
    ] = None,
    seed: Annotated[int | None, option("Seed of weights and batches.", MACHINE, "0", min=0)] = None,
    cache: Annotated[
        Path | None, option("Folder for decoded songs.", MACHINE, "OUTPUT/cache")
    ] = None,
) -> None:
    """Train a network on songs with known stems, mixing stems across songs.

    The best network is kept in OUTPUT, with the curve as CSV and PNG and TensorBoard's logs.
    `separate` and `evaluate` take OUTPUT as their --model. Rerun the command to resume an
    interrupted run; it ends with the same weights.

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
        say(f"{output}: all {settings.epochs} epochs are done; nothing is left to train")
        return
    with progress() as report:
        songs = fit.load_songs(settings, cache or output / "cache", report("Decoding songs"))
    fit.train(settings, songs, output, shlex.join(["keras-mmdense", *sys.argv[1:]]))
    say(f"{output}: network.json, network.weights.h5, CARD.md, curve.csv, curve.png")


def _settings(given: dict[str, Any]) -> "TrainConfig":
    """The configuration file with what was given on the command line in its place."""
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
        raise InputError("no songs to train on: give --root, or --config with datasets")
    return TrainConfig.from_dict(fields)
