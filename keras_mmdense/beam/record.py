"""What is known of a separated song: a row of the manifest, and whether its files are complete.

Each song has a record, a JSON file in `OUTPUT/.manifest`, which is written after the song's files
have their names and deleted before they are replaced. So a song without one is not complete.
"""

import hashlib
import os
import socket
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import keras_mmdense
from keras_mmdense.beam import storage

PACKAGES = ("apache-beam", "tensorflow", "ai-edge-litert", "numpy", "soundfile", "soxr")

Row = dict[str, Any]


def record_url(out_dir: str, name: str) -> str:
    """Return where the record of a song is; the name's hash is short and fits any file system."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{out_dir}/.manifest/{digest[:2]}/{digest[2:]}.json"


def is_complete(row: Row, expected: Row, out_dir: str) -> bool:
    """Tell whether a record is of these very files, and all of them are there.

    Args:
        row: The record.
        expected: Some of its fields, as they must be.
        out_dir: URL of the output folder.
    """
    if any(row.get(key) != value for key, value in expected.items()):
        return False
    for file in row["files"]:
        found = storage.find_info(f"{out_dir}/{file['path']}")
        if found is None or found.size_in_bytes != file["size"]:
            return False
    return True


def worker_name() -> str:
    """Return the name of this machine and the number of this process."""
    return f"{socket.gethostname()}-{os.getpid()}"


def versions() -> dict[str, str]:
    """Return the versions of what is installed of all that may change a stem."""
    found = {"keras-mmdense": keras_mmdense.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
