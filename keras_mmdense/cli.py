"""The command `keras-mmdense`: parses, calls, reports. Heavy imports happen inside commands."""

import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from keras_mmdense.errors import InputError

app = typer.Typer(
    help="Separates music into stems, and trains and scores the networks that do it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)
console = Console()

Model = Annotated[
    str,
    typer.Option(
        "--model", help="A trained network: a name that `models` lists, or a folder `train` wrote."
    ),
]
TRAINED = "mmdensenet_4stems"


def main():
    """Runs the command; bad input ends in one line on stderr and exit status 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except InputError as error:
        print(f"keras-mmdense: error: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def separate(
    songs: Annotated[list[Path], typer.Argument(help="Audio files, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            help="A trained network: a name that `models` lists, or a folder `train` wrote; may be "
            "given several times for networks of one stem each.",
        ),
    ] = (TRAINED,),
    stems: Annotated[
        str | None,
        typer.Option(help="Stems to write, such as vocals,drums; only the networks needed run."),
    ] = None,
    two_stems: Annotated[
        str | None, typer.Option(help="Write one stem, such as vocals, and all the rest as one.")
    ] = None,
    residual: Annotated[
        bool, typer.Option("--residual", help="Also write the mixture minus all written stems.")
    ] = False,
    format: Annotated[str, typer.Option(help="wav, flac, ogg, mp3 or stem.mp4 (ffmpeg).")] = "wav",
    subtype: Annotated[
        str | None,
        typer.Option(help="Sample format, such as PCM_16; FLOAT for wav, PCM_24 for flac."),
    ] = None,
    filename: Annotated[
        str, typer.Option(help="Template of the files' names below OUTPUT.")
    ] = "{song}/{stem}.{format}",
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip songs whose files are all there.")
    ] = False,
):
    """Separate songs into OUTPUT/SONG/{vocals,drums,bass,other}.wav.

    Stems have exactly the song's length and sample rate. WAV, FLAC, Ogg, Opus and MP3 are read as
    they are, MP4, M4A and video through ffmpeg. More than two channels are separated in pairs. No
    gain is changed, except that one gain for all stems is applied, and said, where a format without
    headroom would clip. A file that cannot be separated is reported and passed over; the exit
    status is then 2.

    Example: keras-mmdense separate song.mp3 more-songs/ -o stems --format flac
    """
    from keras_mmdense import batch
    from keras_mmdense.audio import check_writable
    from keras_mmdense.outputs import Output
    from keras_mmdense.stems import rest_name

    wanted = [stem.strip() for stem in stems.split(",")] if stems else None
    if two_stems:
        if stems or residual:
            raise InputError("--two-stems goes with neither --stems nor --residual")
        wanted = [two_stems]
    extra = rest_name(wanted) if two_stems else "residual" if residual else None
    written = Output(format, subtype, extra, filename)
    files = batch.find_audio(songs)
    check_writable(output)
    separator = _separator()(list(model), stems=wanted)
    with _progress() as report:
        job = batch.Job(separator, output, written, resume)
        results = job.run(files, report, lambda result: _say(console, result))
    if len(results) > 1:
        console.print(_summary(results))
    if any(result.error for result in results):
        sys.exit(2)


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
    fit, weights, registry = _import("training.fit"), _import("weights"), _import("registry")
    network = weights.Network(registry.model_config(model), tuple(target))
    with _progress() as report:
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
    separator = _separator()(model)
    scores, report_module = _import("evaluation.scores"), _import("evaluation.report")
    songs = find_songs(root, split)
    with _progress() as report:
        bar = report("museval")
        results = scores.evaluate_songs(
            songs, {model: separator.separate}, lambda done, total, _: bar(done, total)
        )
    if output:
        _import("evaluation.saving").write_scores(output / "scores.json", results)
        _import("evaluation.figures").plot_scores(results, output / "scores.png")
    console.print(report_module.scores_table(results, title=f"{root.name}, {split}"))


@app.command()
def models():
    """List the networks of the zoo with their size, and the trained ones.

    Example: keras-mmdense models
    """
    from rich.table import Table

    registry, weights = _import("registry"), _import("weights")
    table = Table(title="Networks (one source, stereo, 1025 bins)")
    for column in ("network", "family", "streams", "output"):
        table.add_column(column)
    table.add_column("trainable parameters", justify="right")
    for name in registry.list_models():
        config = registry.model_config(name)
        streams = ", ".join(stream.name for stream in config.streams)
        size = registry.parameters(registry.build(name))
        table.add_row(name, config.family, streams, config.output, f"{size:,}")
    console.print(table)
    table = Table(title="Trained networks in this package")
    for column in ("name", "network", "stems", "licence of the weights"):
        table.add_column(column)
    for name in weights.list_weights():
        network, licence = weights.describe(name)
        table.add_row(name, network.config.name, ", ".join(network.sources), licence)
    console.print(table)


@app.command()
def synth(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
    tracks: Annotated[int, typer.Option(min=1, help="Number of songs.")] = 10,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of a song in seconds.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same gives the same songs.")] = 0,
):
    """Write synthesised songs with their stems, in the layout of MUSDB18-HQ.

    Example: keras-mmdense synth songs --tracks 20 --seconds 30 --seed 1
    """
    from keras_mmdense import audio
    from keras_mmdense.data.synth import write_songs

    audio.check_writable(folder)
    with _progress() as report:
        try:
            write_songs(folder, tracks, seconds, seed, progress=report("songs"))
        except FileExistsError as error:
            raise InputError(str(error)) from error
    console.print(f"{folder}/train: {tracks} songs of {seconds:g} s")


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "demo"
    ),
    model: Model = TRAINED,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the song.")] = 2017,
    seconds: Annotated[float, typer.Option(min=3, help="Length of the song in seconds.")] = 20,
):
    """Synthesise a song, separate it, and show what was gained.

    Writes the four stems, the mixture (FLAC) and a figure of their spectrograms.

    Example: keras-mmdense demo -o demo
    """
    from keras_mmdense import audio

    audio.check_writable(output)
    run = _import("demo").run
    with _progress() as report:
        gains = run(_separator()(model), output, seed, seconds, report("separating"))
    console.print(_import("demo").gains_table(gains))
    console.print(f"{output}: {', '.join(sorted(path.name for path in output.iterdir()))}")


def _say(console, result):
    if result.error:
        print(f"keras-mmdense: error: {result.error}", file=sys.stderr, flush=True)
    elif result.written:
        names = ", ".join(path.name for path in result.written.files.values())
        gain = result.written.gain_db
        note = f" (all with {gain:.2f} dB of gain, so that none clips)" if gain else ""
        console.print(f"{next(iter(result.written.files.values())).parent}: {names}{note}")


def _summary(results):
    from rich.table import Table

    table = Table("song", "result", title="Separated songs")
    table.add_column("seconds", justify="right")
    for result in results:
        status = "failed" if result.error else "separated" if result.written else "was there"
        table.add_row(str(result.path), status, f"{result.seconds:.1f}")
    return table


@contextlib.contextmanager
def _progress():
    """Gives a function that makes a progress bar with an estimate: name -> callback."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:

        def report(name):
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield report


def _separator():
    return _import("separator").Separator


def _import(name):
    """Imports a module of the package, without the lines TensorFlow logs while it starts."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            if "keras" not in sys.modules:
                importlib.import_module("keras").ops.zeros(1)
            return importlib.import_module(f"keras_mmdense.{name}")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
