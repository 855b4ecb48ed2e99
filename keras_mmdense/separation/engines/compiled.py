"""Location of the `.tflite` files of shipped networks: the package or the user's cache."""

import importlib.util
import os
import sys
from pathlib import Path

import keras_mmdense
from keras_mmdense.pretrained.catalog import SHIPPED, WEIGHTS
from keras_mmdense.utils.files import sha256

COMPILED = "network.tflite"


def is_shipped(name: str | Path) -> bool:
    """Return whether a network ships with the package.

    Args:
        name: Name of the network.

    Returns:
        Whether it does.
    """
    return Path(name).name == str(name) and (SHIPPED / name / WEIGHTS).is_file()


def can_run() -> bool:
    """Return whether LiteRT is installed, without importing it."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def find_compiled(name: str | Path) -> Path | None:
    """Find the `.tflite` file of a shipped network.

    Args:
        name: Name of a network.

    Returns:
        The file in the package or else in the cache; None if there is neither.
    """
    if not is_shipped(name):
        return None
    packaged = SHIPPED / name / COMPILED
    if packaged.is_file():
        return packaged
    cached = cached_file(name)
    return cached if cached.is_file() else None


def cached_file(name: str | Path) -> Path:
    """Return the path of a shipped network in the cache, named by version and weights.

    Args:
        name: Name of the network.

    Returns:
        The path, which may not exist.
    """
    digest = sha256(SHIPPED / name / WEIGHTS)[:16]
    return cache_folder() / f"{name}-{keras_mmdense.__version__}-{digest}.tflite"


def cache_folder() -> Path:
    """Return the package's folder in the user's cache folder of the platform."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "keras-mmdense"
