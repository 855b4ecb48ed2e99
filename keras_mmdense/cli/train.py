"""Training a network."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import app, console, load, progress
from keras_mmdense.errors import InputError


@app.command()
def train(
    root: Annotated[
        list[Path],
        typer.Option(help="Folder of MUSDB18, MUSDB18-HQ or of songs; may be given several times."),
    ],
    output: Annotated[Path, typer.Option(help="Folder for weights, curve and settings.")],
    target: Annotated[
        list[str], typer.Option(help="Stem to learn; give several for one network of several.")
    ] = ("vocals",),
    model: Annotated[str, typer.Option(help="A network of the zoo, or a .json table.")] = (
        "mmdensenet"
    ),
    epochs: Annotated[int, typer.Option(min=1, help="Epochs.")] = 50,
    steps: Annotated[int, typer.Option(min=1, help="Batches an epoch.")] = 100,
    batch: Annotated[int, typer.Option(min=1, help="Chunks a batch.")] = 8,
    frames: Annotated[int, typer.Option(min=2, help="Frames a chunk.")] = 256,
    learning_rate: Annotated[float, typer.Option(min=0, help="Adam's rate at the start.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Seed of weights and batches.")] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded songs; OUTPUT/cache by default.")
    ] = None,
):
    """Train a network on songs with known stems, mixing stems across songs.

    The weights of the lowest validation loss are kept in OUTPUT, with the loss curve as CSV and
    PNG. `separate` and `evaluate` take OUTPUT as their --model.

    Example: keras-mmdense train --root musdb18 --target vocals --output runs/vocals
    """
    from keras_mmdense.data.songs import check_root
    from keras_mmdense.stems import STEMS

    for folder in root:
        check_root(folder)
    for stem in target:
        if stem not in STEMS:
            raise InputError(f"unknown stem {stem!r}; choose of {', '.join(STEMS)}")
    fit, weights, registry = load("training.fit"), load("weights"), load("registry")
    network = weights.Network(registry.model_config(model), tuple(target))
    with progress() as report:
        bars = {}

        def decoding(what, done, total):
            bars.setdefault(what, report(what))(done, total)

        songs = fit.load_songs(root, network, cache or output / "cache", decoding)
    fit.train(
        songs,
        network,
        output,
        epochs=epochs,
        steps=steps,
        batch=batch,
        frames=frames,
        learning_rate=learning_rate,
        seed=seed,
    )
    console.print(f"{output}: network.json, network.weights.h5, curve.csv, curve.png")
