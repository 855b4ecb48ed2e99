"""The pipeline of `keras-mmdense beam`: songs in, stems, a manifest and dead letters out."""

import contextlib
import dataclasses
import io
import json
from collections.abc import Sequence
from itertools import pairwise

import apache_beam as beam
from apache_beam.io import WriteToText
from apache_beam.options.pipeline_options import PipelineOptions

from keras_mmdense.beam import storage
from keras_mmdense.beam.failures import FAILURES, Failure
from keras_mmdense.beam.find import FindSongs
from keras_mmdense.beam.separate import SeparateSongs
from keras_mmdense.errors import InputError
from keras_mmdense.utils.quiet import quiet_stderr

MANIFEST, DEAD_LETTERS = "manifest.jsonl", "failures.jsonl"
# Their job servers know options that Beam's Python package does not.
OPEN_RUNNERS = ("PortableRunner", "FlinkRunner", "SparkRunner")


def read_options(flags: Sequence[str], runner: str) -> PipelineOptions:
    """Read Beam's own options.

    Args:
        flags: Words of the command line.
        runner: The runner unless they name one.

    Returns:
        The options.

    Raises:
        InputError: If Beam knows no such option, or a value does not fit.
    """
    flags = list(flags)
    if not any(flag.partition("=")[0] == "--runner" for flag in flags):
        flags += ["--runner", runner]
    told = io.StringIO()
    try:
        with quiet_stderr(), contextlib.redirect_stderr(told):
            options = PipelineOptions(flags)
            known = options.get_all_options()
            everything = options.get_all_options(retain_unknown_options=True)
    except SystemExit as error:
        reason = told.getvalue().strip().rpartition("error: ")[2]
        raise InputError(f"Beam refuses the options: {reason}") from error
    unknown = set(everything) - set(known)
    stray = [word for last, word in pairwise(["x", *flags]) if not {last[0], word[0]} & {"-"}]
    stray += [flag for flag in flags if flag.lstrip("-").partition("=")[0] in unknown]
    if stray and known["runner"] not in OPEN_RUNNERS:
        raise InputError(f"neither keras-mmdense nor Beam has an option {stray[0]}")
    return options


def run(
    places: Sequence[str], separate: SeparateSongs, options: PipelineOptions
) -> list[dict[str, str]]:
    """Separate songs and write the manifest and the dead letters; wait for the end.

    Args:
        places: Files, folders and patterns, see `FindSongs`.
        separate: The transform.
        options: Beam's options.

    Returns:
        The dead letters.

    Raises:
        InputError: If Beam has no such runner, or a place is empty or not UTF-8.
    """
    for place in places:
        if not place or not storage.is_text(place):
            raise InputError(f"expected a file, a folder or a pattern, received {place!r}")
    out_dir = separate.out_dir
    for name in (MANIFEST, DEAD_LETTERS):  # a run that is stopped leaves none of an older one
        storage.delete(f"{out_dir}/{name}")
    try:
        pipeline = beam.Pipeline(options=options)
    except ValueError as error:
        raise InputError(f"Beam refuses the options: {error}") from error
    with pipeline:
        given = pipeline | beam.Create([_absolute(place) for place in places])
        found = given | "Find" >> FindSongs(out_dir)
        made = found["songs"] | "Separate songs" >> separate
        failures = (found[FAILURES], made[FAILURES]) | "All failures" >> beam.Flatten()
        _ = made["songs"] | beam.Map(_line) | _jsonl(out_dir, MANIFEST)
        _ = failures | "Rows" >> beam.Map(_failure_line) | _jsonl(out_dir, DEAD_LETTERS)
    return storage.read_lines(f"{out_dir}/{DEAD_LETTERS}")


def _absolute(place: str) -> str:
    """An absolute path, on which a slash at the end still says that it is a folder."""
    return storage.absolute(place) + ("/" if storage.is_local(place) and place[-1] == "/" else "")


def _line(row: dict) -> str:
    return json.dumps(row, ensure_ascii=False)


def _failure_line(failure: Failure) -> str:
    return _line(dataclasses.asdict(failure))


def _jsonl(out_dir: str, name: str) -> beam.PTransform:
    return f"Write {name}" >> WriteToText(
        f"{out_dir}/{name}", num_shards=1, shard_name_template="", append_trailing_newlines=True
    )
