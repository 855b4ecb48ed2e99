"""The command `evaluate`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keras_mmdense.cli.common import TRAINED, console, progress, quiet_startup, tell_terms

if TYPE_CHECKING:
    from keras_mmdense.evaluation.systems import System


def evaluate(
    root: Annotated[Path, typer.Option(help="Folder of the data set, or of songs.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to score: a name that `models` lists, a folder `train` wrote, a SavedModel "
            "folder, a .tflite or a .keras file; may be repeated. Defaults to "
            f"{TRAINED} unless there are estimates."
        ),
    ] = None,
    estimates: Annotated[
        Path | None, typer.Option(help="Output of any tool, SONG/STEM.wav, to score as well.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "valid",
    rule: Annotated[str, typer.Option(help="museval or dsd100.")] = "museval",
    engine: Annotated[str, typer.Option(help="museval, or fast for rule museval.")] = "museval",
    oracles: Annotated[
        str, typer.Option(help="Comma-separated: mixture, irm, ibm, mwf; or none.")
    ] = "mixture,irm",
    processes: Annotated[
        int | None, typer.Option(min=1, help="Songs scored in parallel. Defaults to one per core.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for all scores; rerun to resume an interrupted run.")
    ] = None,
) -> None:
    """Score networks, exported files, other tools' estimates and oracles.

    SDR, SIR, SAR and ISR in dB. Rule museval: median over songs of the median over 1 s frames,
    BSSEval v4. Rule dsd100: median over songs of the mean over 30 s windows every 15 s, BSSEval v3.
    The data set is MUSDB18, MUSDB18-HQ, DSD100, or a folder per song. Oracles know the true stems:
    ideal ratio mask, ideal binary mask, multichannel Wiener filter. OUTPUT contains scores.json,
    scores.png and a JSON file per song and system, as museval writes them.

    Example: keras-mmdense evaluate --root musdb18 --split test --model runs/vocals --output scores
    """
    from keras_mmdense.utils.imports import require

    require("evaluate", "eval", "scipy", *(["matplotlib"] if output else []))
    from keras_mmdense.data.songs import check_root, find_songs
    from keras_mmdense.evaluation import museval_engine, protocols, results_file
    from keras_mmdense.evaluation.evaluate import evaluate_songs
    from keras_mmdense.evaluation.oracles import find_oracles
    from keras_mmdense.report import plots, terminal
    from keras_mmdense.utils.files import check_writable

    check_root(root)
    if output:
        check_writable(output)
    museval_engine.check_engine(engine, protocols.find_rule(rule))
    chosen = find_oracles(oracles)
    systems = _systems(model or ([] if estimates else [TRAINED]), estimates)
    songs, place = find_songs(root, split), {"root": root.resolve().name, "split": split}
    processes = processes or _cores()
    with progress() as bars:
        bar = bars(f"{engine}, {processes} in parallel")
        results = evaluate_songs(
            songs,
            systems,
            lambda done, total, _: bar(done, total),
            oracles=chosen,
            rule=rule,
            engine=engine,
            processes=processes,
            output=output,
            **place,
        )
    if output:
        facts: dict[str, Mapping[str, Any]] = {name: {"oracle": True} for name in chosen}
        facts |= {system.name: system.description for system in systems}
        path = output / "scores.json"
        results_file.write_scores(
            path, results, rule, engine=engine, data=place, descriptions=facts
        )
        plots.plot_scores(results, output / "scores.png", rule=rule)
    console.print(terminal.scores_table(results, rule, title=" ".join(place.values())))


def _systems(models: list[str], estimates: Path | None) -> list["System"]:
    from keras_mmdense.evaluation.systems import from_folder, from_separator

    systems = [from_folder(estimates)] if estimates else []
    if models:
        with quiet_startup():
            from keras_mmdense.separation import loading
            from keras_mmdense.separation.separator import Separator
        tell_terms(*models)
        opened = [(name, Separator.from_pretrained(name, engine=_engine(name))) for name in models]
        systems[:0] = [
            from_separator(
                name, separator, loading.fingerprint(name), loading.parameters(separator.engine)
            )
            for name, separator in opened
        ]
    return systems


def _engine(name: str) -> str:
    """Return TensorFlow if it runs the model, as it knows the number of parameters."""
    return "litert" if name.endswith(".tflite") else "tensorflow"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
