"""Keras 3 model zoo for music source separation after MMDenseNet (WASPAA 2017)."""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Separator": "keras_mmdense.separation.separator",
    "build": "keras_mmdense.models.registry",
    "list_models": "keras_mmdense.models.registry",
    "model_config": "keras_mmdense.models.registry",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'keras_mmdense' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
    return sorted([*globals(), *__all__])
