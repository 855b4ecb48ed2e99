"""Which songs there are, and what they are called."""

import dataclasses
import itertools
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam

from keras_mmdense.audio.output import Output
from keras_mmdense.audio.reading import song_name
from keras_mmdense.beam import storage
from keras_mmdense.beam.failures import FAILURES, Failure, attempt, count_failure
from keras_mmdense.errors import InputError
from keras_mmdense.separation.batch import KNOWN, LONGER_NAMES, NO_NAMES, find_audio


@dataclasses.dataclass(frozen=True)
class Song:
    """A song to separate.

    Args:
        url: Its file.
        name: What its stems are called by.
    """

    url: str
    name: str


class FindSongs(beam.PTransform):
    """Expand files, folders and patterns to the songs they hold.

    Takes a PCollection of strings: a file; a folder, local or with a slash at its end, of which all
    audio files below it are taken as `keras-mmdense separate` does; or a pattern such as
    `gs://bucket/**.flac`, where `*` stands for a part of a name and `**` for any path. What lies in
    the output folder is left out of folders and patterns.

    Args:
        out_dir: URL of the output folder.

    Returns:
        Outputs "songs" (URLs) and "failures" (a `Failure` for each that matches nothing).
    """

    def __init__(self, out_dir: str):
        super().__init__()
        self._out_dir = out_dir

    def expand(self, places: Any) -> Any:
        found = places | beam.ParDo(_Find(self._out_dir)).with_outputs(FAILURES, main="songs")
        return {"songs": found.songs, FAILURES: found[FAILURES]}


class _Find(beam.DoFn):
    def __init__(self, out_dir: str):
        self._out_dir = out_dir

    def process(self, place: str) -> Iterator[Any]:
        found = attempt(place, expand_place, place, self._out_dir)
        if isinstance(found, Failure):
            yield beam.pvalue.TaggedOutput(FAILURES, count_failure(found))
            return
        for url in found:
            if storage.is_text(url):
                yield url
            else:
                shown = url.encode(errors="backslashreplace").decode()
                reason = f"{shown}: the name is not UTF-8, as Beam needs it"
                failure = count_failure(Failure(shown, "input", reason))
                yield beam.pvalue.TaggedOutput(FAILURES, failure)


def expand_place(place: str, out_dir: str) -> list[str]:
    """List the songs of a file, a folder or a pattern.

    Args:
        place: See `FindSongs`.
        out_dir: URL of the output folder.

    Returns:
        URLs; a file is listed whether it exists or not.

    Raises:
        InputError: If a folder holds no song, or nothing matches a pattern.
    """
    if storage.is_local(place) and os.path.isdir(place):
        return list(map(str, find_audio([place], out_dir if storage.is_local(out_dir) else None)))
    if place.endswith("/"):
        found = [url for url in storage.find_files(f"{place}**") if _is_song(place, url)]
    elif storage.PATTERN.search(place) and storage.find_info(place) is None:
        found = storage.find_files(place)
    else:
        return [place]
    found = [url for url in found if not _is_below(out_dir, url)]
    if not found:
        raise InputError(f"{place}: no songs found")
    return found


def _is_song(folder: str, url: str) -> bool:
    parts = PurePosixPath(url.removeprefix(folder)).parts
    hidden = any(part.startswith(".") for part in parts)
    return not hidden and PurePosixPath(url).suffix.lower() in KNOWN


def _is_below(folder: str, url: str) -> bool:
    return url.startswith(f"{folder}/")


class NameSongs(beam.PTransform):
    """Give each song a name that no other has, as `batch.song_names` does, in groups on workers.

    Takes a PCollection of URLs and returns one of `Song`.
    """

    def expand(self, urls: Any) -> Any:
        songs = urls | "Distinct" >> beam.Distinct() | "Short names" >> beam.Map(_short)
        for number in range(len(LONGER_NAMES)):
            songs = (
                songs
                | f"Key {number}" >> beam.Map(_by_name)
                | f"Group {number}" >> beam.GroupByKey()
                | f"Rename {number}" >> beam.FlatMap(_rename, number)
            )
        return songs


def _short(url: str) -> Song:
    return Song(url, song_name(storage.as_path(url)))


def _by_name(song: Song) -> tuple[str, Song]:
    return song.name.casefold(), song


def _rename(group: tuple[str, Iterable[Song]], number: int) -> Iterator[Song]:
    name, songs = group
    shared = name in NO_NAMES or len(list(itertools.islice(songs, 2))) > 1
    for song in songs:
        longer = LONGER_NAMES[number](storage.as_path(song.url)) if shared else song.name
        yield Song(song.url, longer)


class CheckTargets(beam.PTransform):
    """Refuse songs whose files would have one name, or that lie in the output folder.

    Takes a PCollection of `Song`.

    Args:
        out_dir: URL of the output folder.
        output: Format and names.
        stems: Names of the stems.

    Returns:
        Outputs "songs" (`Song`) and "failures".
    """

    def __init__(self, out_dir: str, output: Output, stems: Sequence[str]):
        super().__init__()
        self._out_dir, self._output, self._stems = out_dir, output, tuple(stems)

    def expand(self, songs: Any) -> Any:
        checked = (
            songs
            | "Targets" >> beam.FlatMap(_targets, self._out_dir, self._output, self._stems)
            | "Group targets" >> beam.GroupByKey()
            | "Compare" >> beam.FlatMap(_compare)
            | "Group songs" >> beam.GroupByKey()
            | "Choose" >> beam.ParDo(_Choose()).with_outputs(FAILURES, main="songs")
        )
        return {"songs": checked.songs, FAILURES: checked[FAILURES]}


@dataclasses.dataclass(frozen=True)
class _Claim:
    """A song's wish for a file, or the reason why it gets none."""

    song: Song
    what: str = ""
    name: str = ""
    refusal: str = ""


def _targets(
    song: Song, out_dir: str, output: Output, stems: Sequence[str]
) -> Iterator[tuple[str, _Claim]]:
    """A claim for each file of a song, under the form in which two names may be one."""
    try:
        if _is_below(out_dir, song.url):
            raise InputError("lies in the output folder")
        paths = output.paths("", song.name, stems)
    except InputError as error:
        yield song.url, _Claim(song, refusal=f"{song.url}: {error}")
        return
    for stem, path in paths.items():
        name = path.as_posix()
        key = unicodedata.normalize("NFC", name).casefold()
        yield key, _Claim(song, f"{stem} of {song.url}", name)


def _compare(group: tuple[str, Iterable[_Claim]]) -> Iterator[tuple[str, _Claim]]:
    """Claims by song; those that meet on one file refuse each other."""
    claims = sorted(group[1], key=lambda claim: (claim.song.url, claim.what))
    for claim in claims:
        others = [other.what for other in claims if other.what != claim.what]
        if others:
            reason = f"{claim.what} and {others[0]} would both be written to {claim.name}"
            claim = dataclasses.replace(claim, refusal=f"{claim.song.url}: {reason}")
        yield claim.song.url, claim


class _Choose(beam.DoFn):
    def process(self, group: tuple[str, Iterable[_Claim]]) -> Iterator[Any]:
        url, claims = group[0], list(group[1])
        if refusals := sorted(claim.refusal for claim in claims if claim.refusal):
            failure = count_failure(Failure(url, "input", refusals[0]))
            yield beam.pvalue.TaggedOutput(FAILURES, failure)
        else:
            yield claims[0].song
