"""The command `separate`."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from keras_mmdense.cli import outputs
from keras_mmdense.cli.common import TRAINED, console, progress, say, tell_terms

if TYPE_CHECKING:
    from keras_mmdense.separation.batch import Result


def separate(
    songs: Annotated[list[str], typer.Argument(help="Audio files, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    model: outputs.Models = [TRAINED],  # noqa: B006
    stems: outputs.Stems = None,
    two_stems: outputs.TwoStems = None,
    residual: outputs.Residual = False,
    format: outputs.Format = "wav",
    subtype: outputs.Subtype = None,
    filename: outputs.Filename = "{song}/{stem}.{format}",
    engine: outputs.Engine = "auto",
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Skip songs that are already separated by this model."),
    ] = False,
) -> None:
    """Separate songs into OUTPUT/SONG/{vocals,drums,bass,other}.wav.

    Stems have exactly the song's length and sample rate. WAV, FLAC, Ogg, Opus and MP3 are read
    directly, MP4, M4A and video through ffmpeg. More than two channels are separated in pairs.
    Levels are preserved; if an integer format would clip, all stems are attenuated by one common
    gain, which is reported. A file that cannot be separated is reported and skipped; the exit
    status is then 2. Songs are never replaced. Hidden files, links to folders and OUTPUT are
    skipped inside folders.

    Example: keras-mmdense separate song.mp3 more-songs/ -o stems --format flac
    """
    from keras_mmdense.audio.output import Output
    from keras_mmdense.separation import batch
    from keras_mmdense.utils.files import check_writable
    from keras_mmdense.utils.quiet import quiet_stderr

    wanted, extra = outputs.choose_stems(stems, two_stems, residual)
    written = Output(format, subtype, extra, filename)
    files = batch.find_audio(songs, output)
    check_writable(output)
    tell_terms(*model)
    with quiet_stderr():
        from keras_mmdense.separation.loading import made_by
        from keras_mmdense.separation.separator import Separator

        artifacts = model[0] if len(model) == 1 else list(model)
        separator = Separator(artifacts, stems=wanted, engine=engine)
    written = dataclasses.replace(written, model=made_by(model, wanted, extra))
    with progress() as report:
        job = batch.Job(separator, output, written, resume)
        results = job.run(files, report, _tell)
    if len(results) > 1:
        console.print(_summary(results))
    if engine == "auto" and separator.engine.name == "tensorflow" and len(model) == 1:
        _compile(model[0])
    if any(result.error for result in results):
        sys.exit(2)


def _tell(result: "Result") -> None:
    if result.error:
        print(f"keras-mmdense: error: {result.error}", file=sys.stderr, flush=True)
    elif result.written:
        names = ", ".join(path.name for path in result.written.files.values())
        gain = result.written.gain_db
        note = f" (all attenuated by {-gain:.2f} dB to avoid clipping)" if gain else ""
        say(f"{next(iter(result.written.files.values())).parent}: {names}{note}")
    else:
        say(f"{result.path}: skipped")


def _compile(name: str) -> None:
    """Compile a shipped network into the cache, so that later runs start without TensorFlow."""
    from keras_mmdense.separation.engines import compiled

    if compiled.is_shipped(name) and compiled.can_run() and not compiled.find_compiled(name):
        from keras_mmdense.exporting.tflite.cache import fill_cache

        if path := fill_cache(name):
            say(f"{path}: {name} for LiteRT; later runs start without TensorFlow")


def _summary(results: Sequence["Result"]) -> Table:
    table = Table("song", "result", title="Separated songs")
    table.add_column("seconds", justify="right")
    for result in results:
        status = "failed" if result.error else "separated" if result.written else "skipped"
        table.add_row(str(result.path), status, f"{result.seconds:.1f}")
    return table
