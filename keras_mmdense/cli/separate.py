"""Separating songs."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_mmdense.cli import outputs
from keras_mmdense.cli.common import TRAINED, app, console, progress, say, tell_terms


@app.command()
def separate(
    songs: Annotated[list[str], typer.Argument(help="Audio files, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    model: outputs.Models = (TRAINED,),
    stems: outputs.Stems = None,
    two_stems: outputs.TwoStems = None,
    residual: outputs.Residual = False,
    format: outputs.Format = "wav",
    subtype: outputs.Subtype = None,
    filename: outputs.Filename = "{song}/{stem}.{format}",
    engine: outputs.Engine = "auto",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Skip songs whose files are all there, whole, of this model."
        ),
    ] = False,
):
    """Separate songs into OUTPUT/SONG/{vocals,drums,bass,other}.wav.

    Stems have exactly the song's length and sample rate. WAV, FLAC, Ogg, Opus and MP3 are read as
    they are, MP4, M4A and video through ffmpeg. More than two channels are separated in pairs. No
    gain is changed, except that one gain for all stems is applied, and said, where a format without
    headroom would clip. A file that cannot be separated is reported and passed over; the exit
    status is then 2. No two songs share a file, and none of the songs is replaced. Hidden files,
    links to folders and OUTPUT are left out of folders.

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
        from keras_mmdense.separation.loading import fingerprint
        from keras_mmdense.separation.separator import Separator

        artifacts = model[0] if len(model) == 1 else list(model)
        separator = Separator(artifacts, stems=wanted, engine=engine)
    tell_terms(*model)
    made_by = "".join(fingerprint(name)[:8] for name in model)
    with progress() as report:
        job = batch.Job(separator, output, dataclasses.replace(written, model=made_by), resume)
        results = job.run(files, report, _tell)
    if len(results) > 1:
        console.print(_summary(results))
    if engine == "auto" and separator.engine.name == "tensorflow" and len(model) == 1:
        _compile(model[0])
    if any(result.error for result in results):
        sys.exit(2)


def _tell(result):
    if result.error:
        print(f"keras-mmdense: error: {result.error}", file=sys.stderr, flush=True)
    elif result.written:
        names = ", ".join(path.name for path in result.written.files.values())
        gain = result.written.gain_db
        note = f" (all with {gain:.2f} dB of gain, so that none clips)" if gain else ""
        say(f"{next(iter(result.written.files.values())).parent}: {names}{note}")
    else:
        say(f"{result.path}: was there")


def _compile(name):
    """Put a shipped network into the cache, so that the next run starts without TensorFlow."""
    from keras_mmdense.separation.engines import compiled

    if compiled.is_shipped(name) and compiled.can_run() and not compiled.find_compiled(name):
        from keras_mmdense.exporting.tflite.cache import fill_cache

        if path := fill_cache(name):
            say(f"{path}: {name} for LiteRT; from now on it starts without TensorFlow")


def _summary(results):
    from rich.table import Table

    table = Table("song", "result", title="Separated songs")
    table.add_column("seconds", justify="right")
    for result in results:
        status = "failed" if result.error else "separated" if result.written else "was there"
        table.add_row(str(result.path), status, f"{result.seconds:.1f}")
    return table
