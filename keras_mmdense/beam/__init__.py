"""Separation and scoring of any number of songs on Apache Beam."""

from keras_mmdense.utils.imports import require

require("beam", "beam", "apache_beam")
