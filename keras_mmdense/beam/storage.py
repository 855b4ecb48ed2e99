"""Files on any file system that Beam knows: local, gs://, s3://, hdfs:// and others."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apache_beam.io.filesystem import CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from keras_mmdense.errors import InputError
from keras_mmdense.utils.files import check_writable

BLOCK = 1 << 20
PATTERN = re.compile(r"[*?\[]")
AS_IT_IS = {"compression_type": CompressionTypes.UNCOMPRESSED}


def is_local(url: str) -> bool:
    """Tell whether a path is one of this machine's."""
    return "://" not in url


def absolute(url: str) -> str:
    """Make a local path absolute, as workers have another current folder."""
    return os.path.abspath(url) if is_local(url) else url


def is_text(url: str) -> bool:
    """Tell whether a name is UTF-8, as all text between workers is."""
    try:
        url.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_folder(url: str) -> str:
    """Check the URL of a folder to write to.

    Args:
        url: The folder, which need not exist.

    Returns:
        It without a slash at its end, absolute if local.

    Raises:
        InputError: If Beam has no such file system here, would take the name for a pattern, or a
            local folder cannot be written.
    """
    if not url:
        raise InputError("an empty name of a folder was given")
    if PATTERN.search(url):
        raise InputError(f"{url}: a folder to write to must not hold any of * ? [")
    try:
        FileSystems.get_filesystem(url)
    except ValueError as error:
        raise InputError(f"{url}: {error}") from error
    if is_local(url):
        check_writable(url)
    return absolute(url).rstrip("/")


def as_path(url: str) -> Path:
    """Return an absolute path with the parts of a URL, from which songs are named."""
    return Path(url) if is_local(url) else Path("/", url.partition("://")[2])


def find_info(url: str) -> FileMetadata | None:
    """Return size and time of a file, None if there is none. No letter of the URL is a pattern."""
    if not FileSystems.exists(url):
        return None
    return FileSystems.get_filesystem(url).metadata(url)


def find_files(pattern: str) -> list[str]:
    """List the files that match a pattern, sorted."""
    return sorted(info.path for info in FileSystems.match([pattern])[0].metadata_list)


def literal(url: str) -> str:
    """Return a pattern that matches a URL and nothing else."""
    return PATTERN.sub(r"[\g<0>]", url)


def fetch(url: str, path: Path) -> str:
    """Copy a file to this machine; return its sha256."""
    digest = hashlib.sha256()
    with FileSystems.open(url, **AS_IT_IS) as source, path.open("wb") as target:
        while block := source.read(BLOCK):
            digest.update(block)
            target.write(block)
    return digest.hexdigest()


@contextlib.contextmanager
def named(url: str, path: Path) -> Iterator[None]:
    """Make messages of bad input name a URL, not the local copy of its file."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), url)) from error


@contextlib.contextmanager
def storing(stage: str) -> Iterator[Any]:
    """Give a function that uploads files under temporary names, and rename them in the end.

    Args:
        stage: Folder for the temporary files, on the same file system as the files.

    Yields:
        A function of a local path, whose file it may take away, and a URL. The files appear under
        their URLs, each whole, when the block ends without an error; with an error none does.
    """
    partial: dict[str, str] = {}

    def upload(path: Path, url: str) -> None:
        name, size = f"{stage}/{uuid.uuid4().hex}", path.stat().st_size
        partial[name] = url
        if is_local(name):
            _make_folder(stage)
            shutil.move(path, name)
        else:
            with path.open("rb") as source, FileSystems.create(name, **AS_IT_IS) as target:
                shutil.copyfileobj(source, target, BLOCK)
        stored = find_info(name)
        if stored is None or stored.size_in_bytes != size:
            raise OSError(f"{url}: could not be stored whole")

    try:
        yield upload
        for name in list(partial):
            _move(name, partial[name])
            del partial[name]
    finally:
        for name in partial:
            with contextlib.suppress(OSError):
                FileSystems.delete([name])


def _move(source: str, target: str) -> None:
    system = FileSystems.get_filesystem(target)
    if system.has_dirs():
        _make_folder(target.rpartition("/")[0])
    if FileSystems.get_scheme(target) == "hdfs" and FileSystems.exists(target):
        FileSystems.delete([target])  # HDFS renames onto no other file
    FileSystems.rename([source], [target])


def _make_folder(url: str) -> None:
    with contextlib.suppress(OSError):  # it exists, or another worker makes it now
        FileSystems.mkdirs(url)
    if not FileSystems.exists(url):
        raise OSError(f"{url}: the folder cannot be made")


def delete(url: str) -> None:
    """Delete a file or a folder, if there is one."""
    if FileSystems.get_filesystem(url).has_dirs():
        if FileSystems.exists(url):
            FileSystems.delete([url])
    elif found := [*find_files(url), *find_files(f"{url}/**")]:
        FileSystems.delete(found)


def read_json(url: str) -> dict[str, Any] | None:
    """Read a JSON object; None if there is no file, or it holds something else."""
    if not FileSystems.exists(url):
        return None
    with FileSystems.open(url, **AS_IT_IS) as file:
        try:
            content = json.loads(file.read())
        except ValueError:
            return None
    return content if isinstance(content, dict) else None


def read_lines(url: str) -> list[dict[str, Any]]:
    """Read a file with a JSON object on each line."""
    with FileSystems.open(url, **AS_IT_IS) as file:
        return [json.loads(line) for line in file.read().splitlines()]
