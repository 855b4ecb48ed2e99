"""What little latency costs: python benchmarks/latency.py --root musdb18-7s [--assert].

Separates the validation songs of a data set with a network as usual and with low latency, as
streams of one channel pair. Prints the latency, the seconds of work a second of music on this
machine, and the mean over songs and stems of the SDR; the difference is paired. With --assert it
fails if the latency is not below 0.5 s, half a dB is lost, or music plays faster than it is
separated.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np

from keras_mmdense import Separator
from keras_mmdense.data.songs import find_songs
from keras_mmdense.pretrained.catalog import DEFAULT

MOST_SECONDS, MOST_LOSS, MOST_WORK = 0.5, 0.5, 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="data set with validation songs")
    parser.add_argument("--model", default=DEFAULT, help="network with low latency and without")
    parser.add_argument("--assert", dest="check", action="store_true")
    options = parser.parse_args()
    ways = {"usual": {}, "low latency": {"low_latency": True}}
    separators = {name: Separator(options.model, **way) for name, way in ways.items()}
    for separator in separators.values():
        separator.separate(np.zeros((44100, 2), "float32"), 44100)  # Warms up.
    songs = find_songs(options.root, "valid")
    work, seconds = dict.fromkeys(ways, 0.0), 0.0
    scores = {name: [] for name in ways}
    for song in songs:
        stems = song.stems()
        mixture = np.sum(list(stems.values()), axis=0)
        seconds += len(mixture) / song.sample_rate
        for name, separator in separators.items():
            start = time.perf_counter()
            found = separator.separate(mixture, song.sample_rate)
            work[name] += time.perf_counter() - start
            scores[name].append([sdr(stems[x], found[x]) for x in found if x in stems])
    print(f"{options.model}, {len(songs)} songs, {seconds:.0f} s, {os.cpu_count()} cores")
    for name, separator in separators.items():
        latency = separator.latency / separator.sample_rate
        score = np.mean(scores[name])
        print(
            f"{name:12} latency {latency:.2f} s, work {work[name] / seconds:.3f} s a second, "
            f"SDR {score:.2f} dB"
        )
    loss = np.mean(scores["usual"]) - np.mean(scores["low latency"])
    print(f"low latency loses {loss:.2f} dB")
    if options.check:
        live = separators["low latency"]
        assert live.latency / live.sample_rate < MOST_SECONDS
        assert loss < MOST_LOSS, loss
        assert work["low latency"] < MOST_WORK * seconds, work


def sdr(reference, estimate):
    """Energy of a stem over that of the error, in dB."""
    error = np.square(reference - estimate).sum()
    return 10 * np.log10((np.square(reference).sum() + 1e-9) / (error + 1e-9))


if __name__ == "__main__":
    main()
