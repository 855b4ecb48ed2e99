from keras_mmdense.configs.schema import Conv, Dense, ModelConfig, Stream
from keras_mmdense.configs.tables import TABLES

__all__ = ["TABLES", "Conv", "Dense", "ModelConfig", "Stream"]
