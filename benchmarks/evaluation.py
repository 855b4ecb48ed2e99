"""Speed of scoring in processes, and its memory; run it on an idle machine.

    python benchmarks/evaluation.py

The shipped network and the mixture are scored with museval on synthesized songs, by one process and
by two: two must be at least 1.7 times as fast. The peak memory of a process that scores a minute
must lie below the bound by which `evaluate` decides how many songs fit side by side.
"""

import argparse
import os
import platform
import resource
import time

RATE = 44100


class Song:
    """A synthesized song."""

    sample_rate = RATE

    def __init__(self, seed, seconds):
        self.name, self.seed, self.seconds = f"song {seed}", seed, seconds

    def stems(self):
        from keras_mmdense.synthesis.songs import synthesize

        return synthesize(self.seed, self.seconds)


def speed_of_two_processes(count, seconds):
    from keras_mmdense.evaluation.evaluate import evaluate_songs
    from keras_mmdense.evaluation.systems import from_separator
    from keras_mmdense.separation.separator import Separator

    songs = [Song(seed, seconds) for seed in range(count)]
    separator = Separator()
    separator.separate(sum(songs[0].stems().values()), RATE)
    times, results = [], []
    for processes in (1, 2):
        start = time.monotonic()
        systems = [from_separator("network", separator)]
        results.append(evaluate_songs(songs, systems, oracles=["mixture"], processes=processes))
        times.append(time.monotonic() - start)
        print(f"{processes} at a time: {times[-1]:.1f} s for {count} songs of {seconds} s")
    for one, two in zip(*(result["network"] for result in results), strict=True):
        assert one.medians() == two.medians(), one.name
    print(f"2 processes are {times[0] / times[1]:.2f} times as fast as 1")
    assert times[0] / times[1] >= 1.7


def memory_of_a_minute(seconds):
    from keras_mmdense.evaluation.evaluate import evaluate_songs
    from keras_mmdense.evaluation.museval_engine import memory
    from keras_mmdense.evaluation.protocols import RULES

    evaluate_songs([Song(0, seconds)], [], oracles=["ideal ratio mask"], processes=1)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    bound = memory((seconds * RATE, 2), 4, RATE, RULES["museval"], "museval")
    print(f"{seconds} s of four stems: peak {peak / 1e9:.2f} GB, bound {bound / 1e9:.2f} GB")
    assert peak <= bound


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=12)
    parser.add_argument("--seconds", type=int, default=7)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
    memory_of_a_minute(60)  # first: a process starts from the peak of the one that started it
    speed_of_two_processes(given.songs, given.seconds)


if __name__ == "__main__":
    main()
