"""Keras layers around and inside a network; keras.ops only.

Importing this package registers all of them, so that `keras.saving.load_model` finds them.
"""

from keras_mmdense.layers.bands import BandSplit, JoinSubbands, SplitSubbands
from keras_mmdense.layers.magnitude import LogMagnitude, Magnitude
from keras_mmdense.layers.memory import Delay, Remember
from keras_mmdense.layers.padding import CropLike, PadToMultiple, Trim
from keras_mmdense.layers.sources import Blend, FillUp, LastSource, Rest, SplitSources
from keras_mmdense.layers.stft import STFT, InverseSTFT, StepwiseInverseSTFT, StepwiseSTFT
from keras_mmdense.layers.wiener import StepwiseWienerFilter, WienerFilter

__all__ = [
    "STFT",
    "BandSplit",
    "Blend",
    "CropLike",
    "Delay",
    "FillUp",
    "InverseSTFT",
    "JoinSubbands",
    "LastSource",
    "LogMagnitude",
    "Magnitude",
    "PadToMultiple",
    "Remember",
    "Rest",
    "SplitSources",
    "SplitSubbands",
    "StepwiseInverseSTFT",
    "StepwiseSTFT",
    "StepwiseWienerFilter",
    "Trim",
    "WienerFilter",
]
