"""Files that appear under their name only when they are complete, and what they hold."""

import contextlib
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import filelock

from keras_mmdense.errors import InputError

LOCK = "keras-mmdense.lock"


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` and renames it when the block ends without an error.

    The temporary name keeps the suffix, since writers choose the format by it.

    Args:
        path: The file to write; its folder is made if it is missing, an old file is replaced.

    Yields:
        The temporary path to write to.

    Raises:
        InputError: If the folder or the file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{uuid.uuid4().hex}{''.join(path.suffixes)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        raise InputError(f"{path.parent}: cannot write there: {error.strerror}") from error
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: str | Path, mark: str) -> Iterator[Path]:
    """Gives a temporary folder that takes the place of `path` when the block ends without an error.

    Args:
        path: The folder to write. An empty one, or an older one of the same kind, is replaced.
        mark: Name of a file that only folders of this kind hold.

    Yields:
        The temporary folder to write to.

    Raises:
        InputError: If `path` is something else, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not (path / mark).is_file() and not _is_empty(path):
        raise InputError(f"{path}: exists and is no exported model; choose another name")
    partial, old = (path.parent / f".{uuid.uuid4().hex}" for _ in range(2))
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot write there: {error.strerror}") from error
    try:
        yield partial
        if path.exists():
            path.rename(old)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


@contextlib.contextmanager
def staging(folder: str | Path) -> Iterator[Path]:
    """Gives a hidden folder in `folder` that no other run uses, and removes it in the end.

    A run holds a lock in its own; those without, which killed runs left, are removed first.

    Args:
        folder: The folder; made if it is missing, and then removed again if nothing came into it.

    Yields:
        The hidden folder.

    Raises:
        InputError: If `folder` cannot be written.
    """
    folder = Path(folder)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*.partial"):
            with contextlib.suppress(OSError, NotImplementedError, filelock.Timeout):
                if (left / LOCK).exists():
                    with filelock.FileLock(left / LOCK, timeout=0):
                        shutil.rmtree(left)
        stage = Path(tempfile.mkdtemp(".partial", ".", folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot write there: {error.strerror}") from error
    lock = filelock.FileLock(stage / LOCK)
    try:
        with contextlib.suppress(OSError, NotImplementedError):  # file systems without locks
            lock.acquire()
        yield stage
    finally:
        lock.release()
        shutil.rmtree(stage, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def sha256(path: str | Path) -> str:
    """Gives the sha256 of a file in hexadecimal digits, in bounded memory."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def check_writable(folder: str | Path) -> None:
    """Raises InputError unless files can be written to a folder or the folder can be made."""
    folder = Path(folder)
    parents = [path for path in (folder, *folder.parents) if path.exists()]
    if not parents or not parents[0].is_dir() or not os.access(parents[0], os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot write there")
