"""Speed and memory of the Beam pipeline here, asserted: python benchmarks/beam.py

Run it on a machine with two cores or more and nothing else to do. Prints, and fails where it does
not hold:
- throughput of `keras-mmdense beam` with two worker processes on two cores: at least 1.7 times that
  with one on one core, and the same bytes
- peak memory of a worker with a long song beside short ones: at most 1.1 times that with the short
  ones alone, and at most 1.2 GB

It also prints the hours of audio an hour and core, which `benchmarks/beam_scale.py` takes.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import soundfile

RATE = 44100
CODE = "from keras_mmdense.cli import main; main()"
WORKER = b"apache_beam.runners.worker.sdk_worker_main"


def write_songs(folder, count, seconds):
    """Write excerpts of one synthesized song, each from another point in time."""
    from keras_mmdense.synthesis.songs import synthesize

    song = sum(synthesize(1, seconds + count).values())
    folder.mkdir()
    for number in range(count):
        part = song[number * RATE :][: seconds * RATE]
        soundfile.write(folder / f"{number:02}.flac", part, RATE, "PCM_16")


def write_long(folder, minutes):
    """Write a long song: the first of a folder, again and again."""
    (first,) = folder.glob("00.flac")
    part, _ = soundfile.read(first)
    with soundfile.SoundFile(folder / "long.flac", "w", RATE, 2, "PCM_16") as file:
        for _ in range(round(minutes * 60 * RATE / len(part))):
            file.write(part)


def run(songs, out, workers, engine):
    """Run the pipeline; return its seconds, its rows and the workers' peak memory in GB."""
    options = ["--direct_running_mode", "multi_processing", "--direct_num_workers", str(workers)]
    words = ["beam", "--input", str(songs), "--output", str(out), "--engine", engine, *options]
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers]),
    )
    peaks = {}
    watch = threading.Thread(target=watch_memory, args=(process, peaks))
    watch.start()
    told = process.communicate()[1]
    watch.join()
    assert process.returncode == 0, told[-3000:]
    seconds = time.monotonic() - start
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert len(peaks) == workers and not any(row["skipped"] for row in rows)
    return seconds, rows, max(peaks.values())


def watch_memory(process, peaks):
    """Keep the peak memory in GB of each worker below a process, by its number (Linux)."""
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if WORKER in path.read_bytes().split(b"\0"):
                    number = int(path.parent.name)
                    if os.getpgid(number) == process.pid:
                        status = (path.parent / "status").read_text()
                        peaks[number] = int(status.split("VmHWM:")[1].split()[0]) / 1e6
            except (OSError, IndexError):
                continue  # it has ended meanwhile
        time.sleep(1)


def digests(folder):
    paths = sorted(folder.glob("*/*.wav"))
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).digest() for path in paths}


def speed_of_two_processes(folder, given):
    write_songs(folder / "songs", given.songs, given.seconds)
    audio = given.songs * given.seconds
    times, files = [], []
    for workers in (1, 2):
        out = folder / f"out {workers}"
        seconds, rows, _ = run(folder / "songs", out, workers, given.engine)
        model = sum(row["model_seconds"] for row in rows)
        print(
            f"{workers} worker(s): {seconds:.1f} s for {audio} s of audio; in the model "
            f"{audio / model:.1f} x real time a core; {rows[0]['model']['engine']}"
        )
        times.append(seconds)
        files.append(digests(out))
    assert files[0] == files[1] and len(files[0]) == 4 * given.songs
    ratio = times[0] / times[1]
    print(f"2 workers are {ratio:.2f} times as fast as 1")
    print(f"audio hours an hour and core, all included: {audio / times[1] / 2:.2f}")
    assert ratio >= 1.7, ratio


def memory_of_a_long_song(folder, given):
    write_songs(folder / "songs", 6, 30)
    peaks = []
    for name in ("short songs", f"{given.minutes:g} min beside them"):
        _, rows, peak = run(folder / "songs", folder / name, 1, given.engine)
        print(f"{name}: peak {peak:.3f} GB in the worker, {len(rows)} songs")
        peaks.append(peak)
        if len(peaks) == 1:
            write_long(folder / "songs", given.minutes)
    print(f"peak memory, with a long song to without: {peaks[1] / peaks[0]:.3f}")
    assert peaks[1] <= 1.1 * peaks[0] and peaks[1] <= 1.2, peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=120, help="Length of each.")
    parser.add_argument("--minutes", type=float, default=30, help="Length of the long song.")
    parser.add_argument("--engine", default="auto")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
    for measure in (speed_of_two_processes, memory_of_a_long_song):
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), given)


if __name__ == "__main__":
    main()
