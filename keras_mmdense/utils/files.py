"""Atomic writing of files and folders, JSON, checksums."""

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
# Errors of a full or broken disk while a file is written.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Provide a temporary path next to `path`, renamed when the block ends without an error.

    The temporary name keeps the suffix, by which writers choose the format.

    Args:
        path: The file to write; its folder is created if it is missing, an old file is replaced.

    Yields:
        The temporary path to write to.

    Raises:
        InputError: If the folder or the file cannot be written, `path` is a folder, or the disk is
            full.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a file name")
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
    """Provide a temporary folder that replaces `path` when the block ends without an error.

    Args:
        path: The folder to write. An empty one, or an older one of the same kind, is replaced; for
            a link, the folder that it points to.
        mark: Name of a file that identifies folders of this kind.
        known: Names of all entries of folders of this kind; None if they vary.

    Yields:
        The temporary folder to write to.

    Raises:
        InputError: If `path` is anything else, holds anything besides the export, is the current
            folder or a mount point, or cannot be written.
    """
    path = Path(path).resolve()
    if path == Path.cwd() or path.is_mount():
        raise InputError(f"{path}: cannot be replaced; name a folder in it")
    if path.exists() and not (path / mark).is_file() and not _is_empty(path):
        raise InputError(f"{path}: exists and is not an exported model; choose another name")
    if path.is_dir() and known:
        for foreign in sorted({entry.name for entry in path.iterdir()} - set(known)):
            raise InputError(f"{path / foreign}: is not part of an export; move it away")
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
    """Provide a hidden folder in `folder` that no other run uses, and remove it afterward.

    Each run locks its own; those without a lock, left by killed runs, are removed first.

    Args:
        folder: The folder; created if it is missing, and then removed again if it stays empty.

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
    """Read a JSON object from a file.

    Args:
        path: The file.

    Returns:
        The object.

    Raises:
        InputError: If the file cannot be read, is larger than 256 MB, or is not a JSON object.
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


def sha256(*paths: str | Path) -> str:
    """Compute the sha256 of a file, or of several as if they were one, in bounded memory.

    Args:
        *paths: The files.

    Returns:
        Hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def check_writable(folder: str | Path) -> None:
    """Check that files can be written to a folder or that it can be created, before any work.

    Args:
        folder: The folder.

    Raises:
        InputError: If they cannot.
    """
    folder = Path(folder)
    parents = [path for path in (folder, *folder.parents) if path.exists()]
    if not parents or not parents[0].is_dir() or not os.access(parents[0], os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot write there")
