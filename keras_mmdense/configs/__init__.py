from keras_mmdense.configs.parts import Conv, Dense, Stream
from keras_mmdense.configs.schema import (
    BlendConfig,
    BLSTMConfig,
    DenseNetConfig,
    FNNConfig,
    ModelConfig,
)
from keras_mmdense.configs.tables import TABLES

__all__ = [
    "TABLES",
    "BLSTMConfig",
    "BlendConfig",
    "Conv",
    "Dense",
    "DenseNetConfig",
    "FNNConfig",
    "ModelConfig",
    "Stream",
]
