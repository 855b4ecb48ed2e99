"""Separation of many songs with one separator."""

import collections
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from keras_mmdense.audio import reading
from keras_mmdense.audio.output import Output
from keras_mmdense.audio.writing import Written, plan, were_written
from keras_mmdense.errors import InputError, first_line
from keras_mmdense.utils.progress import Progress

KNOWN = reading.SUFFIXES | reading.FFMPEG_SUFFIXES
NO_NAMES = ("", ".", "..")
# Names for songs that would share one, each way longer than the one before.
LONGER_NAMES: tuple[Callable[[Path], str], ...] = (
    lambda path: f"{path.absolute().parent.name} - {reading.song_name(path)}",
    lambda path: f"{path.absolute().parent.name} - {path.name}",
    lambda path: " - ".join(path.absolute().parts[1:]),
)
Report = Callable[[str], Progress]


class FileSeparator(Protocol):
    """Separates a file into files, as `Separator` does."""

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems."""

    def separate_file(
        self,
        path: str | Path,
        out_dir: str | Path,
        output: Output | None = None,
        *,
        song: str | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Separate a file, see `Separator.separate_file`."""


@dataclasses.dataclass(frozen=True)
class Result:
    """Outcome of one song.

    Args:
        path: The song's file.
        written: The files written; None if it failed or was skipped.
        error: Reason of a failure in one line, or None.
        seconds: Time it took in seconds.
    """

    path: Path
    written: Written | None = None
    error: str | None = None
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Job:
    """Separates songs one after the other; a failed one does not stop the others.

    Args:
        separator: A `Separator` or another separator of files.
        out_dir: Folder to write to.
        output: Format, names and extra files.
        resume: Skip songs that are already separated: whose files are complete and made from the
            same song by the same model. Defaults to `False`.
    """

    separator: FileSeparator
    out_dir: Path
    output: Output
    resume: bool = False

    def run(
        self, files: Sequence[Path], report: Report, say: Callable[[Result], None]
    ) -> list[Result]:
        """Separates songs.

        Args:
            files: The songs' files.
            report: Creates a progress callback for a name.
            say: Called with each result as soon as it is known.

        Returns:
            The results in order.

        Raises:
            InputError: Before any work, if two files would have the same name, or a file would
                replace a song.
        """
        names = song_names(files)
        planned = plan(self.output, self.out_dir, names, self.separator.stems)
        over_all = report("songs") if len(files) > 1 else None
        results = []
        for path in files:
            result = self._one(path, names[path], planned[path], report)
            say(result)
            results.append(result)
            if over_all:
                over_all(len(results), len(files))
        return results

    def _one(self, path: Path, song: str, planned: Mapping[str, Path], report: Report) -> Result:
        start = time.monotonic()
        written, error = None, None
        try:
            if self.resume and were_written(planned, path, self.output):
                return Result(path)
            written = self.separator.separate_file(
                path, self.out_dir, self.output, song=song, progress=report(path.name)
            )
        except InputError as reason:
            error = str(reason)
        except Exception as reason:  # the other songs are separated all the same
            error = f"{path}: {type(reason).__name__}: {first_line(reason)}"
        return Result(path, written, error, time.monotonic() - start)


def find_audio(paths: Sequence[str | Path], out_dir: str | Path | None = None) -> list[Path]:
    """Lists files, and the audio files below folders, sorted by name.

    Args:
        paths: Files and folders. Hidden files and folders inside folders are skipped, and links to
            folders are not followed.
        out_dir: Output folder, which is skipped if it lies inside a folder of songs.

    Returns:
        The files; a path that is not a folder is listed unchanged.

    Raises:
        InputError: If a folder holds no audio file, cannot be read or is `out_dir`, or a path is an
            empty string.
    """
    stems_dir = None if out_dir is None else Path(out_dir).resolve()
    files: list[Path] = []
    for path in paths:
        if not str(path):
            raise InputError("a file name is empty")
        if not Path(path).is_dir():
            files.append(Path(path))
            continue
        if Path(path).resolve() == stems_dir:
            raise InputError(f"{path}: stems must be written to a different folder than the songs")
        found = sorted(_audio_below(Path(path), stems_dir))
        if not found:
            raise InputError(f"{path}: no audio files in this folder")
        files += found
    return list(dict.fromkeys(files))


def _audio_below(folder: Path, out_dir: Path | None) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and Path(place, name).resolve() != out_dir
        ]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in KNOWN and path.is_file():
                yield path


def song_names(files: Sequence[Path]) -> dict[Path, str]:
    """Assign distinct names to files: a/x.wav and b/x.wav become "a - x" and "b - x".

    Args:
        files: Distinct paths.

    Returns:
        Name by path: the file's name without its suffix if that is valid and unique, also on a
        case-insensitive disk.
    """
    names = {path: reading.song_name(path) for path in files}
    for longer in LONGER_NAMES:
        counts = collections.Counter(name.casefold() for name in names.values())
        counts |= dict.fromkeys(NO_NAMES, 2)
        names |= {path: longer(path) for path, name in names.items() if counts[name.casefold()] > 1}
    return names
