"""How loud a stem is where it should be silent: python benchmarks/bleed.py REFERENCE ESTIMATES.

Both folders contain a folder for each song with a file for each stem: true stems, or those of a
better network (`benchmarks/recipes/demucs_songs.py`), and what `keras-mmdense separate` wrote. In
each second in which the reference is 35 dB below its mixture, the estimate's level is compared with
the mixture's, which is the sum of the reference. Seconds in which the mixture is silent do not
count.
"""

import argparse
from pathlib import Path

import numpy as np

from keras_mmdense.data.songs import open_song
from keras_mmdense.stems import STEMS

SILENT, AUDIBLE = -35, -45  # dB below the mixture, dB below full scale


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("reference", type=Path, help="folder of songs, each a folder of stems")
    parser.add_argument("estimates", type=Path, help="the same of a network, for some of them")
    options = parser.parse_args()
    print("song | stem | seconds without it | median (dB) | 10 % | 90 %")
    for folder in sorted(options.estimates.iterdir()):
        reference = levels_of(options.reference / folder.name)
        estimates = levels_of(folder)
        mixture = reference["mixture"]
        for stem in STEMS:
            silent = (reference[stem] < mixture + SILENT) & (mixture > AUDIBLE)
            bleed = (estimates[stem] - mixture)[silent]
            found = np.percentile(bleed, (50, 10, 90)) if len(bleed) else [np.nan] * 3
            print(folder.name, stem, len(bleed), *(f"{x:.1f}" for x in found), sep=" | ")


def levels_of(folder):
    """Level of each full second in dB, of the stems of a song and of their sum."""
    song = open_song(folder)
    song.check()
    stems, rate = song.stems(), song.sample_rate
    levels = {}
    for name, waveform in {**stems, "mixture": sum(stems.values())}.items():
        whole = waveform[: len(waveform) // rate * rate]
        power = np.square(whole).reshape(-1, rate * whole.shape[1]).mean(1)
        levels[name] = 10 * np.log10(power + 1e-12)
    return levels


if __name__ == "__main__":
    main()
