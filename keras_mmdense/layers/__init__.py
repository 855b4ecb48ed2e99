"""Keras layers around and inside a network; keras.ops only.

Importing this package registers all of them, so that `keras.saving.load_model` finds them.
"""

from keras_mmdense.layers.bands import BandSplit, JoinSubbands, SplitSubbands
from keras_mmdense.layers.padding import CropLike, PadToMultiple, Trim
from keras_mmdense.layers.sources import Blend, Rest, SplitSources
from keras_mmdense.layers.stft import STFT, InverseSTFT, LogMagnitude, Magnitude
from keras_mmdense.layers.wiener import WienerFilter

__all__ = [
    "STFT",
    "BandSplit",
    "Blend",
    "CropLike",
    "InverseSTFT",
    "JoinSubbands",
    "LogMagnitude",
    "Magnitude",
    "PadToMultiple",
    "Rest",
    "SplitSources",
    "SplitSubbands",
    "Trim",
    "WienerFilter",
]
