"""Files that appear under their name only when they are complete, and what they hold."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import filelock

from keras_mmdense.errors import InputError

LOCK = "keras-mmdense.lock"
MAX_JSON = 1 << 28
# What a full or broken disk says while a file is written.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` and renames it when the block ends without an error.

    The temporary name keeps the suffix, since writers choose the format by it.

    Args:
        path: The file to write; its folder is made if it is missing, an old file is replaced.

    Yields:
        The temporary path to write to.

    Raises:
        InputError: If the folder or the file cannot be written, `path` is a folder, or the disk is
            full.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: a folder is in the way of a file")
    partial = path.with_name(f".{uuid.uuid4().hex}{''.join(path.suffixes[-2:])}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        raise InputError(f"{path.parent}: cannot write there: {error.strerror}") from error
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(
    path: str | Path, mark: str, known: Collection[str] | None = None
) -> Iterator[Path]:
    """Gives a temporary folder that takes the place of `path` when the block ends without an error.

    Args:
        path: The folder to write. An empty one, or an older one of the same kind, is replaced; of a
            link, the folder it leads to.
        mark: Name of a file that only folders of this kind hold.
        known: Names of all that folders of this kind hold; None if these differ.

    Yields:
        The temporary folder to write to.

    Raises:
        InputError: If `path` is something else, holds something else beside the export, is the
            current folder or a mount point, or cannot be written.
    """
    path = Path(path).resolve()
    if path == Path.cwd() or path.is_mount():
        raise InputError(f"{path}: cannot be replaced; name a folder in it")
    if path.exists() and not (path / mark).is_file() and not _is_empty(path):
        raise InputError(f"{path}: exists and is no exported model; choose another name")
    if path.is_dir() and known:
        for foreign in sorted({entry.name for entry in path.iterdir()} - set(known)):
            raise InputError(f"{path / foreign}: is of no export, and would be lost; move it away")
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
    except OSError as error:
        if old.exists() and not path.exists():
            old.rename(path)
        if error.errno not in DISK:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
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


def read_json(path: str | Path) -> dict[str, Any]:
    """Reads a JSON object from a file.

    Args:
        path: The file.

    Returns:
        The object.

    Raises:
        InputError: If the file cannot be read, is larger than 256 MB, or holds something else.
    """
    try:
        if Path(path).stat().st_size > MAX_JSON:
            raise InputError(f"{path}: larger than {MAX_JSON >> 20} MB")
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except RecursionError as error:
        raise InputError(f"{path}: not JSON: nested too deeply") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


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
