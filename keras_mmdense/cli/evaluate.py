"""Scoring a network."""

from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli.common import TRAINED, Model, app, console, load, progress


@app.command()
def evaluate(
    root: Annotated[Path, typer.Option(help="Folder of MUSDB18, MUSDB18-HQ or of songs.")],
    model: Model = TRAINED,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "valid",
    output: Annotated[
        Path | None, typer.Option(help="Folder for scores.json and scores.png.")
    ] = None,
):
    """Score a network with museval beside the mixture and the ideal ratio mask.

    SDR, SIR, SAR and ISR in dB (BSSEval v4): median over songs of the median over 1 s frames.

    Example: keras-mmdense evaluate --root musdb18 --split test --model runs/vocals
    """
    from keras_mmdense.data.songs import check_root, find_songs

    check_root(root)
    if output:
        from keras_mmdense.audio import check_writable

        check_writable(output)
    separator = load("separator").Separator(model)
    scores, report_module = load("evaluation.scores"), load("evaluation.report")
    songs = find_songs(root, split)
    with progress() as report:
        bar = report("museval")
        results = scores.evaluate_songs(
            songs, {model: separator.separate}, lambda done, total, _: bar(done, total)
        )
    if output:
        load("evaluation.saving").write_scores(output / "scores.json", results)
        load("evaluation.figures").plot_scores(results, output / "scores.png")
    console.print(report_module.scores_table(results, title=f"{root.name}, {split}"))
