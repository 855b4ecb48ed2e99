"""How loud a stem is where it should be silent: python benchmarks/bleed.py REFERENCE ESTIMATES.

Both folders contain a folder for each song with a WAV file for each stem: true stems, or those of a
better network (`benchmarks/recipes/demucs_songs.py`), and what `keras-mmdense separate` wrote. In
each second in which the reference is 35 dB below its mixture, the estimate's level is compared with
the mixture's, which is the sum of the reference. Seconds in which the mixture is silent do not
count.
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile

from keras_mmdense.stems import STEMS

RATE = 44100
SILENT, AUDIBLE = -35, -45  # dB below the mixture, dB below full scale


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("reference", type=Path, help="folder of songs, each a folder of stems")
    parser.add_argument("estimates", type=Path, help="the same of a network, for some of them")
    options = parser.parse_args()
    print("song | stem | seconds without it | median (dB) | 10 % | 90 %")
    for folder in sorted(options.estimates.iterdir()):
        reference = read_stems(options.reference / folder.name)
        mixture = levels(sum(reference.values()))
        estimates = read_stems(folder)
        for stem in STEMS:
            silent = (levels(reference[stem]) < mixture + SILENT) & (mixture > AUDIBLE)
            bleed = (levels(estimates[stem]) - mixture)[silent]
            found = np.percentile(bleed, (50, 10, 90)) if len(bleed) else [np.nan] * 3
            print(folder.name, stem, len(bleed), *(f"{x:.1f}" for x in found), sep=" | ")


def read_stems(folder):
    """Waveforms (samples, channels) by stem."""
    files = {stem: soundfile.read(folder / f"{stem}.wav", dtype="float32") for stem in STEMS}
    rates, sizes = {rate for _, rate in files.values()}, {len(x) for x, _ in files.values()}
    if rates != {RATE} or len(sizes) != 1:
        raise SystemExit(f"{folder}: expected stems of {RATE} Hz and one length: {rates}, {sizes}")
    return {stem: waveform for stem, (waveform, _) in files.items()}


def levels(waveform):
    """Level of each full second in dB."""
    whole = waveform[: len(waveform) // RATE * RATE]
    return 10 * np.log10(np.square(whole).reshape(-1, RATE * whole.shape[1]).mean(1) + 1e-12)


if __name__ == "__main__":
    main()
