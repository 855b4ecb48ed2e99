from keras_mmdense.configs.parts import Branch, Conv, DenseBlock
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
    "Branch",
    "Conv",
    "DenseBlock",
    "DenseNetConfig",
    "FNNConfig",
    "ModelConfig",
]
