"""How much scores depend on level: python benchmarks/level.py --root musdb18-7s [--model NAME].

Separates the validation songs of a data set quieter and louder than they are, and prints the mean
over songs and stems of the SDR for each level.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from latency import sdr

from keras_mmdense import Separator
from keras_mmdense.data.songs import find_songs
from keras_mmdense.pretrained.catalog import DEFAULT

DECIBELS = (-12, -6, 0, 6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="data set with validation songs")
    parser.add_argument("--model", action="append", help=f"network or file; {DEFAULT}")
    options = parser.parse_args()
    songs = [(song.stems(), song.sample_rate) for song in find_songs(options.root, "valid")]
    print(f"mean SDR in dB of {len(songs)} songs at {', '.join(map(str, DECIBELS))} dB")
    for model in options.model or [DEFAULT]:
        separator = Separator(model)
        scores = [mean_sdr(separator, songs, 10 ** (gain / 20)) for gain in DECIBELS]
        print(model, *(f"{score:.2f}" for score in scores))


def mean_sdr(separator, songs, gain):
    """Mean over songs and stems of the SDR when songs are multiplied by a gain."""
    scores = []
    for stems, sample_rate in songs:
        found = separator.separate(gain * sum(stems.values()), sample_rate)
        scores += [sdr(gain * stems[name], found[name]) for name in found]
    return np.mean(scores)


if __name__ == "__main__":
    main()
