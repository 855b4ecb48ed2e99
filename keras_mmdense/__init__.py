"""Keras 3 model zoo for music source separation after MMDenseNet (WASPAA 2017).

Importing it imports neither Keras nor a backend. Its layers are registered as soon as Keras is
imported, so that `keras.saving.load_model` opens networks and separation graphs.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_mmdense.errors import InputError
from keras_mmdense.utils.imports import when_imported

if TYPE_CHECKING:
    from keras_mmdense import layers
    from keras_mmdense.models.registry import model_config
    from keras_mmdense.pretrained.api import build, list_models, load_model, save_model
    from keras_mmdense.separation.separator import Separator

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "Separator",
    "build",
    "layers",
    "list_models",
    "load_model",
    "model_config",
    "save_model",
]

# Imported on first use, as they import Keras.
_HOMES = {
    "Separator": "keras_mmdense.separation.separator",
    "build": "keras_mmdense.pretrained.api",
    "list_models": "keras_mmdense.pretrained.api",
    "load_model": "keras_mmdense.pretrained.api",
    "model_config": "keras_mmdense.models.registry",
    "save_model": "keras_mmdense.pretrained.api",
}

when_imported("keras", lambda: importlib.import_module("keras_mmdense.layers"))


def __getattr__(name: str) -> Any:
    if name == "layers":
        return importlib.import_module("keras_mmdense.layers")
    if name not in _HOMES:
        raise AttributeError(f"module 'keras_mmdense' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
