"""What 8 bits cost and save: python benchmarks/eight_bits.py --root musdb18-7s [--assert].

Exports shipped networks in steps, in float32 and with 8-bit convolutions, separates the validation
songs of a data set with both in LiteRT, and prints for each: SDR over whole songs, mean over songs
and stems; the difference with its standard error; the energy of what changes against that of the
stems; and the time of a step with two threads, in turns. With --assert it fails if 8 bits cost more
than 0.02 dB, or take more than three quarters of the time.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from inference import FOUR, networks_of
from latency import sdr
from stages import load

from keras_mmdense import Separator
from keras_mmdense.data.songs import find_songs
from keras_mmdense.exporting.tflite.export import export_tflite
from keras_mmdense.pretrained.catalog import DEFAULT

SYSTEMS = DEFAULT, "mdensenet_cws_free", "mmdensenet_4stems", FOUR
THREADS, PASSES = 2, 15


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="data set with validation songs")
    parser.add_argument("--assert", dest="check", action="store_true")
    options = parser.parse_args()
    songs = [song.stems() for song in find_songs(options.root, "valid")]
    print("network | SDR | in 8 bits | changes | step | in 8 bits | of float32")
    for system in SYSTEMS:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / "float32.tflite", Path(folder) / "dynamic.tflite"]
            for file, quantize in zip(files, (None, "dynamic"), strict=True):
                export_tflite(networks_of(system), file, steps=True, quantize=quantize)
            exact, rounded = seconds_of_a_step(files)
            scores, change = separated(songs, *map(Separator, files))
        apart = np.nanmean(scores[:, 1] - scores[:, 0], axis=1)
        error = np.std(apart) / len(apart) ** 0.5
        sdrs = f"{np.nanmean(scores[:, 0]):.2f} dB | {apart.mean():+.3f} ± {error:.3f}"
        times = f"{1e3 * exact:.0f} ms | {1e3 * rounded:.0f} ms | {rounded / exact:.2f}"
        print(f"{system} | {sdrs} | {change:.0f} dB | {times}", flush=True)
        if options.check and (apart.mean() < -0.02 or rounded > 0.75 * exact):
            raise SystemExit(f"{system}: {apart.mean():+.3f} dB, {rounded / exact:.2f} of the time")


def separated(songs, *separators):
    """SDR of (song, separator, stem), and what the second one changes of the stems in dB."""
    scores, changes = [], []
    for references in songs:
        first, second = (x.separate(sum(references.values()), 44100) for x in separators)
        scores.append(
            [
                [sdr(references[name], stems[name]) for name in references]
                for stems in (first, second)
            ]
        )
        for name, stem in first.items():
            energy = np.square(second[name] - stem).sum() / np.square(stem).sum()
            changes.append(10 * np.log10(energy))
    return np.array(scores), np.mean(changes)


def seconds_of_a_step(files):
    """Medians of many passes of each file, which take turns."""
    interpreters = [load(file.read_bytes(), THREADS) for file in files]
    times = [[] for _ in files]
    for _ in range(PASSES):
        for interpreter, spent in zip(interpreters, times, strict=True):
            start = time.perf_counter()
            interpreter.invoke()
            spent.append(time.perf_counter() - start)
    return [statistics.median(x) for x in times]


if __name__ == "__main__":
    main()
