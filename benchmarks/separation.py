"""Memory and speed of separation, asserted: python benchmarks/separation.py [--minutes 60].

Prints, and fails where it does not hold:
- peak memory of `keras-mmdense separate` on a long file: at most 2 GB, and at most 1.1 times that
  on a sixth of it; as many samples out as in
- time of `--stems vocals` with a network a stem: at most 0.4 times that of all four
- memory after fifty calls of one Separator: at most 5 % more than after the first five
- time of 1, 10 and 60 minutes, streamed: that of 10 within 10 % of the line through the others (a
  short song costs a little more for a minute, as its last seconds wait for the filter)
"""

import argparse
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile

RATE = 44100
MEASURED = """
import sys
from pathlib import Path
from keras_mmdense.cli import app
try:
    app(sys.argv[1:])
finally:
    # Not ru_maxrss: that starts from the peak of the process that started this one.
    status = Path("/proc/self/status").read_text()
    print("peak", status.split("VmHWM:")[1].split()[0])
"""


def write_long(path, minute, minutes):
    """Writes a file of many minutes that repeats one."""
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        for _ in range(minutes):
            file.write(minute)


def peak_memory(song, out):
    """Separates a file in a process of its own; gives its peak memory in GB and the seconds."""
    start = time.monotonic()
    command = [sys.executable, "-c", MEASURED, "separate", str(song), "-o", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    kilobytes = int(run.stdout.split("peak")[-1])
    return kilobytes / 1e6, time.monotonic() - start


def memory_of_long_files(minutes):
    from keras_mmdense.synthesis.songs import synthesize

    minute = sum(synthesize(1, 60).values())
    peaks = []
    for length in (max(1, minutes // 6), minutes):
        with tempfile.TemporaryDirectory() as folder:
            song = Path(folder) / "song.flac"
            write_long(song, minute, length)
            peak, seconds = peak_memory(song, folder)
            stems = sorted(Path(folder).glob("song/*.wav"))
            samples = {soundfile.info(str(stem)).frames for stem in stems}
        factor = length * 60 / seconds
        print(f"{length} min: peak {peak:.2f} GB, {seconds:.0f} s, {factor:.1f} x real time")
        assert len(stems) == 4 and samples == {length * 60 * RATE}, samples
        assert peak <= 2, peak
        peaks.append(peak)
    print(f"peak memory, long to short: {peaks[1] / peaks[0]:.3f}")
    assert peaks[1] <= 1.1 * peaks[0]


def time_of_one_stem():
    from keras_mmdense import model_config
    from keras_mmdense.pretrained.networks import NetworkSpec
    from keras_mmdense.separation.separator import Separator
    from keras_mmdense.stems import STEMS

    networks = [NetworkSpec(model_config("mmdensenet"), (stem,)) for stem in STEMS]
    pairs = [(network, network.build()) for network in networks]
    song = 0.1 * np.random.default_rng(0).standard_normal((60 * RATE, 2)).astype("float32")
    seconds = []
    for stems in (STEMS, ("vocals",)):
        separator = Separator.from_networks(pairs, stems=stems)
        separator.separate(song[:RATE], RATE)
        start = time.monotonic()
        separator.separate(song, RATE)
        seconds.append(time.monotonic() - start)
    share = seconds[1] / seconds[0]
    print(f"one stem {seconds[1]:.1f} s, four stems {seconds[0]:.1f} s: {share:.2f}")
    assert share <= 0.4


def memory_of_many_calls():
    from keras_mmdense.separation.separator import Separator

    separator = Separator(window=64)
    song = 0.1 * np.random.default_rng(0).standard_normal((4 * RATE, 2)).astype("float32")
    for call in range(50):
        separator.separate(song[: RATE + 2000 * call], RATE)
        if call == 4:
            first = resident()
    print(f"resident after 5 calls {first:.2f} GB, after 50 calls {resident():.2f} GB")
    assert resident() <= 1.05 * first


def time_of_lengths(minutes):
    from keras_mmdense.separation.separator import Separator

    separator = Separator()
    block = 0.1 * np.random.default_rng(0).standard_normal((10 * RATE, 2)).astype("float32")
    deque(separator.stream([block], RATE), maxlen=0)
    times = {}
    for length in (minutes, minutes // 6, 1):
        start = time.monotonic()
        deque(separator.stream(itertools.repeat(block, 6 * length), RATE), maxlen=0)
        times[length] = time.monotonic() - start
        print(f"{length} min: {times[length] / length:.2f} s a minute")
    (long, most), (middle, found), (short, least) = times.items()
    line = least + (most - least) * (middle - short) / (long - short)
    print(f"{middle} min: {found / line:.3f} of the line through the others")
    assert 0.9 < found / line < 1.1


def resident():
    """Memory of this process now, in GB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    minutes = parser.parse_args().minutes
    if minutes < 12:
        parser.error(f"--minutes must be 12 or more, received {minutes}")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    memory_of_many_calls()
    time_of_one_stem()
    time_of_lengths(minutes)
    memory_of_long_files(minutes)


if __name__ == "__main__":
    main()
