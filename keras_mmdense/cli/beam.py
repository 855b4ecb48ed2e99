"""Separating any number of songs on Apache Beam."""

import sys
from typing import Annotated

import typer

from keras_mmdense.cli import outputs
from keras_mmdense.cli.common import TRAINED, say, tell_terms

SHOWN = 10  # failures that are printed; the file holds all
# In this process, without a network. Beam's own default downloads a program first.
RUNNER = "FnApiRunner"


def beam(
    context: typer.Context,
    input: Annotated[
        list[str],
        typer.Option(
            help="A file, a folder or a pattern such as `gs://songs/**.flac`; may be given several "
            "times. A folder that is not local ends with a slash."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder to write to, local or a URL.")
    ],
    model: outputs.Models = [TRAINED],  # noqa: B006
    stems: outputs.Stems = None,
    two_stems: outputs.TwoStems = None,
    residual: outputs.Residual = False,
    format: outputs.Format = "wav",
    subtype: outputs.Subtype = None,
    filename: outputs.Filename = "{song}/{stem}.{format}",
    engine: outputs.Engine = "auto",
    threads: Annotated[
        int, typer.Option(min=1, help="Threads of the model in a worker process.")
    ] = 1,
) -> None:
    """Separate any number of songs on Apache Beam: gs://, s3://, hdfs:// or local files.

    Options that are not listed are Beam's own, such as --runner DataflowRunner. Without a runner,
    Beam's FnApiRunner runs the pipeline here; --direct_running_mode multi_processing
    --direct_num_workers 2 gives it two processes. Stems, names and formats are those of `separate`.
    Songs that are complete are skipped, so rerun the command to resume. OUTPUT/manifest.jsonl tells
    what was written, a song a line; OUTPUT/failures.jsonl tells which songs failed and why. The
    exit status is 2 if any did.

    Example: keras-mmdense beam --input 'gs://in/**.flac' -o gs://out --runner DataflowRunner
    """
    from keras_mmdense.utils.imports import require

    require("beam", "beam", "apache_beam")
    from keras_mmdense.audio.output import Output
    from keras_mmdense.utils.quiet import quiet_stderr

    with quiet_stderr():  # Beam says which clouds' packages are missing
        from keras_mmdense.beam import pipeline

    wanted, extra = outputs.choose_stems(stems, two_stems, residual)
    written = Output(format, subtype, extra, filename)
    options = pipeline.read_options(context.args, RUNNER)
    tell_terms(*model)
    with quiet_stderr():
        from keras_mmdense.beam.separate import SeparateSongs

        separate = SeparateSongs(
            output, model, stems=wanted, output=written, engine=engine, threads=threads
        )
    failures = pipeline.run(input, separate, options)
    for failure in failures[:SHOWN]:
        print(f"keras-mmdense: error: {failure['reason']}", file=sys.stderr, flush=True)
    if len(failures) > SHOWN:
        more = len(failures) - SHOWN
        print(f"keras-mmdense: error: {more} more failed", file=sys.stderr, flush=True)
    say(f"{separate.out_dir}/manifest.jsonl")
    if failures:
        say(f"{separate.out_dir}/failures.jsonl: {len(failures)} failed")
        sys.exit(2)
