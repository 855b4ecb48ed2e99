"""The pipeline of `keras-mmdense beam`: songs in, stems, a manifest and dead letters out."""

import contextlib
import dataclasses
import io
import json
import tempfile
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from keras_mmdense.beam import storage
from keras_mmdense.beam.failures import FAILURES
from keras_mmdense.beam.find import FindSongs
from keras_mmdense.beam.separate import SeparateSongs
from keras_mmdense.errors import InputError
from keras_mmdense.utils.quiet import quiet_stderr

MANIFEST, DEAD_LETTERS = "manifest.jsonl", "failures.jsonl"
PARTIAL = ".partial-tables"  # not the folder that is deleted once the songs are done
# Their job servers know options that Beam's Python package does not.
OPEN_RUNNERS = ("PortableRunner", "FlinkRunner", "SparkRunner")


def read_options(flags: Sequence[str], runner: str) -> PipelineOptions:
    """Read Beam's own options, and tell file systems those that they take.

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
    stray = [word for last, word in pairwise(["x", *flags]) if "-" not in (last[:1], word[:1])]
    stray += [flag for flag in flags if flag.lstrip("-").partition("=")[0] in unknown]
    if stray and known["runner"] not in OPEN_RUNNERS:
        raise InputError(f"neither keras-mmdense nor Beam has an option {stray[0]}")
    FileSystems.set_options(options)
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
    for name in (MANIFEST, DEAD_LETTERS, PARTIAL):  # of a run that was stopped, or an older one
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
        rows = failures | "Rows" >> beam.Map(dataclasses.asdict)
        _ = made["songs"] | "Manifest" >> _WriteLines(out_dir, MANIFEST)
        _ = rows | "Dead letters" >> _WriteLines(out_dir, DEAD_LETTERS)
    storage.delete(f"{out_dir}/{PARTIAL}")
    return storage.read_lines(f"{out_dir}/{DEAD_LETTERS}")


def _absolute(place: str) -> str:
    """An absolute path, on which a slash at the end still says that it is a folder."""
    return storage.absolute(place) + ("/" if storage.is_local(place) and place[-1] == "/" else "")


class _WriteLines(beam.PTransform):
    """Writes rows to one file of JSON lines, also if there are none.

    Beam's own sink would leave its folders in the output folder where a run is killed.
    """

    def __init__(self, out_dir: str, name: str):
        super().__init__()
        self._out_dir, self._name = out_dir, name

    def expand(self, rows: Any) -> Any:
        start = rows.pipeline | "Start" >> beam.Create([(0, "")])
        lines = rows | "To text" >> beam.Map(_line)
        both = (start, lines) | beam.Flatten() | beam.GroupByKey()
        return both | "Write" >> beam.Map(_write, self._out_dir, self._name)


def _line(row: dict[str, Any]) -> tuple[int, str]:
    return 0, json.dumps(row, ensure_ascii=False) + "\n"


def _write(group: tuple[int, Iterable[str]], out_dir: str, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="keras-mmdense-") as folder:
        path = Path(folder) / name
        with path.open("w", encoding="utf-8") as file:
            file.writelines(group[1])
        with storage.storing(f"{out_dir}/{PARTIAL}") as upload:
            upload(path, f"{out_dir}/{name}")
