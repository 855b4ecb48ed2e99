"""Keras 3 model zoo for music source separation after MMDenseNet (WASPAA 2017)."""

from keras_mmdense.registry import build, list_models, model_config

__version__ = "0.1.0"
__all__ = ["build", "list_models", "model_config"]
