"""Songs with stems in data sets on disk."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_mmdense.data.song_files import JOINT, FolderSong, MusdbSong, Song
from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

SUFFIXES = (".wav", ".flac", ".ogg")
MISSING = ("error", "silence", "unknown")
_STEM_FILES = "{vocals,drums,bass,other}.wav"

# Kind of a data set -> its layout, and the folders of its train and test songs.
LAYOUTS = {
    "musdb18": ("{train,test}/<song>.stem.mp4", "train", "test"),
    "dsd100": (f"Sources/{{Dev,Test}}/<song>/{_STEM_FILES}", "Sources/Dev", "Sources/Test"),
    "folders": (f"[{{train,test}}/]<song>/{_STEM_FILES} (or .flac, .ogg)", "train", "test"),
}

# The standard validation songs of MUSDB18 (sigsep), a part of its 100 train songs.
VALIDATION_SONGS = frozenset(
    (
        "Actions - One Minute Smile",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Johnny Lokke - Promises & Lies",
        "Patrick Talbot - A Reason To Leave",
        "Triviul - Angelsaint",
        "Alexander Ross - Goodbye Bolero",
        "Fergessen - Nos Palpitants",
        "Leaf - Summerghost",
        "Skelpolu - Human Mistakes",
        "Young Griffo - Pennies",
        "ANiMAL - Rockshow",
        "James May - On The Line",
        "Meaxic - Take A Step",
        "Traffic Experiment - Sirens",
    )
)


def find_songs(
    root: str | Path,
    split: str,
    kind: str = "auto",
    files: Mapping[str, Sequence[str]] | None = None,
    missing: str = "error",
) -> list[Song]:
    """Find the songs of a data set, and check their headers.

    Args:
        root: Folder of the data set.
        split: "train", "valid" or "test". The validation songs are MUSDB18's standard 14 where the
            data set has some of them, otherwise the last tenth of the train songs by name, at least
            one.
        kind: A key of `LAYOUTS`, or "auto".
        files: Stem -> names, without suffix, of additional files in a song's folder that are summed
            into the stem. A stem with additional files does not need `<stem>.wav`.
        missing: "error", "silence" or "unknown": the meaning of a stem without a file.

    Returns:
        The songs, sorted by name.

    Raises:
        InputError: If there are no songs, a stem is missing or unreadable, or stems of a song
            differ in sample rate or length.
    """
    songs = locate_songs(root, split, kind, files, missing)
    for song in songs:
        song.check()
    return songs


def locate_songs(
    root: str | Path,
    split: str,
    kind: str = "auto",
    files: Mapping[str, Sequence[str]] | None = None,
    missing: str = "error",
    validate: bool = True,
) -> list[Song]:
    """Find the songs of a data set without opening files, see `find_songs` and `Song.check`.

    Args:
        root, split, kind, files, missing: See `find_songs`.
        validate: Whether to exclude validation songs from "train". Defaults to `True`.

    Returns:
        The songs, sorted by name.

    Raises:
        InputError: If there are no songs, or a stem is missing.
    """
    if split not in ("train", "valid", "test"):
        raise InputError(f"unknown split {split!r}; choose train, valid or test")
    if missing not in MISSING:
        raise InputError(f"unknown rule for missing stems {missing!r}; choose from {MISSING}")
    kind = check_root(root, kind, files)
    folder = _folder(Path(root), kind, "test" if split == "test" else "train")
    paths = _song_paths(folder, kind, files)
    if not paths:
        raise InputError(f"{folder}: no songs found; expected {LAYOUTS[kind][0]}")
    if split != "test" and validate:
        paths = _split(paths, split == "valid", root)
    if kind == "musdb18":
        return [MusdbSong(path) for path in paths]
    return [_folder_song(path, files or {}, missing) for path in paths]


def open_song(path: str | Path) -> Song:
    """Opens one song.

    Args:
        path: A `.stem.mp4` file of MUSDB18, or a folder with a file a stem.

    Returns:
        The song; its `check` has yet to be called.

    Raises:
        InputError: If it is neither, or a stem is missing.
    """
    path = Path(path)
    if path.is_file() and path.name.endswith(".stem.mp4"):
        return MusdbSong(path)
    if not path.is_dir():
        raise InputError(f"{path}: neither a .stem.mp4 file nor a folder of stems")
    return _folder_song(path, {}, "error")


def check_root(
    root: str | Path, kind: str = "auto", files: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Determine the kind of a data set without opening files.

    Args:
        root: Folder of the data set.
        kind: A key of `LAYOUTS`, or "auto".
        files: See `find_songs`.

    Returns:
        The kind.

    Raises:
        InputError: If there is no such folder, or it has no song of the kind.
    """
    root = Path(root)
    if kind not in (*LAYOUTS, "auto"):
        raise InputError(
            f"unknown kind of data set {kind!r}; choose from auto, {', '.join(LAYOUTS)}"
        )
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    kinds = LAYOUTS if kind == "auto" else (kind,)
    for kind in kinds:
        if any(_song_paths(_folder(root, kind, split), kind, files) for split in ("train", "test")):
            return kind
    expected = " or ".join(LAYOUTS[kind][0] for kind in kinds)
    raise InputError(f"{root}: no songs found; expected {expected}")


def _folder(root: Path, kind: str, split: str) -> Path:
    _, train, test = LAYOUTS[kind]
    if split == "test":
        return root / test
    return root if kind == "folders" and not (root / train).is_dir() else root / train


def _song_paths(folder: Path, kind: str, files: Mapping[str, Sequence[str]] | None) -> list[Path]:
    if kind == "musdb18":
        return sorted(folder.glob("*.stem.mp4"))
    names = (*STEMS, *JOINT, *(name for names in (files or {}).values() for name in names))
    paths = (path for path in folder.glob("*") if not path.name.startswith("."))
    return sorted(path for path in paths if any(_files(path, name) for name in names))


def _files(folder: Path, name: str) -> list[Path]:
    paths = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return [path for path in paths if path.is_file()][:1]


def is_standard(name: str) -> bool:
    """Return whether a song is one of MUSDB18's validation songs, in DSD100 "051 - <title>"."""
    return re.sub(r"^\d+ - ", "", name) in VALIDATION_SONGS


def _split(paths: list[Path], valid: bool, root: str | Path) -> list[Path]:
    chosen = [path for path in paths if is_standard(path.name.removesuffix(".stem.mp4"))]
    chosen = chosen or paths[-max(1, len(paths) // 10) :]
    if valid:
        return chosen
    rest = [path for path in paths if path not in chosen]
    if not rest:
        raise InputError(f"{root}: one song is not enough for training and validation")
    return rest


def _folder_song(folder: Path, extra: Mapping[str, Sequence[str]], missing: str) -> FolderSong:
    files = {}
    for stem in STEMS:
        named = {name: _files(folder, name) for name in (stem, *extra.get(stem, ()))}
        needed = extra.get(stem) or (stem,)
        for name in needed if missing == "error" else ():
            if not named[name]:
                part = "" if name == stem else f", {name}"
                raise InputError(f"{folder}: the stem {stem}{part} is missing; expected {name}.wav")
        files[stem] = [path for paths in named.values() for path in paths]
    joint = _joint(folder, files)
    if missing != "unknown" and joint:
        name = next(iter(joint.values())).name
        raise InputError(f'{folder}: {name} holds several stems; set "missing" to "unknown"')
    return FolderSong(folder, files, missing == "unknown", joint)


def _joint(folder: Path, files: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
    """Find files of several stems that have no files of their own."""
    missing = {stem for stem in STEMS if not files[stem]}
    found = {}
    for name, stems in JOINT.items():
        paths = _files(folder, name) if missing.issuperset(stems) else []
        if paths:
            found[name] = paths[0]
            missing -= set(stems)
    return found
