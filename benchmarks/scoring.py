"""Speed, memory and agreement of the fast BSSEval, asserted: python benchmarks/scoring.py SONG.

SONG is a folder with one file a stem, {vocals,drums,bass,other}.{wav,flac,ogg}. The estimates are
those of the ideal ratio mask; stems that are silent throughout are left out. Each engine runs in a
process of its own on one core, on the same float32 signals. Prints, and fails where it does not
hold:
- the fast engine takes at most a tenth of museval's processor time
- its peak memory is at most a quarter of museval's, as is what it takes beyond its input (of a
  whole song; in an excerpt, Python's own memory weighs more)
- no score of any frame, metric and stem differs by more than 1e-4 dB

The stems are read as `keras-mmdense evaluate` reads them, lossy files in 16 bits. Decoded to float,
such music has next to nothing at high frequencies, museval's system of equations is singular up to
rounding, and its ISR, SIR and SAR are rounding noise, far too low. How much they move is printed
last, for an excerpt as decoded, by scoring it again 0.7 times as loud.

museval takes about 6 GB and three minutes of a free core for a song of five minutes; --seconds
scores an excerpt from its middle.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from keras_mmdense.stems import STEMS

WINDOW = 1.0
EXCERPT = 15
ENGINES = {"fast": "bsseval", "museval": "museval_engine"}
MEASURED = """
import importlib, os, sys, time
import numpy as np
from pathlib import Path

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
module, folder, window, out = sys.argv[1:]
bsseval = importlib.import_module("keras_mmdense.evaluation." + module).bsseval
if module == "museval_engine":
    import museval
signals = [list(np.load(Path(folder) / name)) for name in ("references.npy", "estimates.npy")]

def memory(field):
    # Not ru_maxrss: that starts from the peak of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.split(field + ":")[1].split()[0]) / 1e6

before, start = memory("VmRSS"), time.process_time()
scores = bsseval(*signals, int(window), int(window))
seconds, peak = time.process_time() - start, memory("VmHWM")
np.savez(out, **scores, seconds=seconds, before=before, peak=peak)
"""


def prepare(song, seconds, folder):
    """Writes references and estimates, (stems, samples, channels); gives the stems and the rate."""
    from keras_mmdense.data.song_files import FolderSong
    from keras_mmdense.evaluation.oracles import ideal_ratio_mask

    found = FolderSong(song, {stem: list(song.glob(f"{stem}.*")) for stem in STEMS})
    stems, rate = excerpt(found.stems(), found.sample_rate, seconds), found.sample_rate
    np.save(folder / "references.npy", np.stack(list(stems.values())))
    np.save(folder / "estimates.npy", np.stack(list(ideal_ratio_mask(stems).values())))
    length = len(next(iter(stems.values()))) / rate
    print(f"{song.name}: {length:.1f} s of {', '.join(stems)}, a core of {_processor()}")
    return list(stems), rate


def excerpt(stems, rate, seconds):
    """Cuts stems from their middle, or not, and leaves out those that are silent."""
    samples = len(next(iter(stems.values())))
    length = min(samples, round(seconds * rate)) if seconds else samples
    first = (samples - length) // 2
    stems = {stem: audio[first : first + length] for stem, audio in stems.items()}
    return {stem: audio for stem, audio in stems.items() if audio.sum(axis=1).any()}


def measure(engine, folder, window):
    """Scores in a process of its own; gives the scores, seconds and memory in GB."""
    out = folder / f"{engine}.npz"
    arguments = [ENGINES[engine], folder, window, out]
    command = [sys.executable, "-c", MEASURED, *map(str, arguments)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    run = dict(np.load(out))
    seconds, before, peak = (float(run.pop(name)) for name in ("seconds", "before", "peak"))
    beyond = peak - before
    print(f"{engine:8} {seconds:7.1f} s, peak {peak:.2f} GB, {beyond:.2f} GB beyond its input")
    return run, seconds, peak, beyond


def differences(scores, others, stems):
    """Prints the greatest difference of each metric and stem; gives the greatest of all."""
    worst = []
    for metric, values in scores.items():
        np.testing.assert_array_equal(np.isnan(values), np.isnan(others[metric]))
        differ = ~np.isnan(values) & (values != others[metric])
        gaps = np.zeros_like(values)
        gaps = np.abs(np.subtract(values, others[metric], out=gaps, where=differ)).max(axis=1)
        print(f"{metric}: " + ", ".join(f"{s} {g:.1e}" for s, g in zip(stems, gaps, strict=True)))
        worst.append(gaps.max())
    return max(worst)


def compare_engines(song, seconds):
    with tempfile.TemporaryDirectory() as folder:
        stems, rate = prepare(song, seconds, Path(folder))
        fast, museval = (measure(engine, Path(folder), int(WINDOW * rate)) for engine in ENGINES)
    faster, peak, beyond = museval[1] / fast[1], fast[2] / museval[2], fast[3] / museval[3]
    print(f"fast engine: {faster:.1f} times as fast, peak memory {peak:.2f} of museval's,")
    print(f"beyond its input {beyond:.2f}; greatest differences in dB:")
    worst = differences(fast[0], museval[0], stems)
    assert faster >= 10, faster
    assert seconds or max(peak, beyond) <= 0.25, (peak, beyond)
    assert worst <= 1e-4, worst


def noise_of_museval(song):
    """Prints how far museval's scores move with loudness on an excerpt as decoded."""
    from keras_mmdense.evaluation.bsseval import bsseval as fast
    from keras_mmdense.evaluation.museval_engine import bsseval
    from keras_mmdense.evaluation.oracles import ideal_ratio_mask

    files = {stem: next(song.glob(f"{stem}.*")) for stem in STEMS}
    decoded = {stem: soundfile.read(path, always_2d=True) for stem, path in files.items()}
    rate = decoded[STEMS[0]][1]
    stems = excerpt({stem: audio for stem, (audio, _) in decoded.items()}, rate, EXCERPT)
    estimates = ideal_ratio_mask(stems)
    references, estimates = (np.stack(list(s.values()), dtype=float) for s in (stems, estimates))
    loud, quiet = (bsseval(references * g, estimates * g, rate, rate) for g in (1, 0.7))
    print(f"museval against itself, {EXCERPT} s as decoded, 0.7 times as loud, in dB:")
    differences(loud, quiet, list(stems))
    print("fast engine against museval, the same excerpt, in dB:")
    differences(fast(references, estimates, rate, rate), loud, list(stems))


def _processor():
    return platform.processor() or platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("song", type=Path)
    parser.add_argument("--seconds", type=float, help="score this much from the song's middle")
    arguments = parser.parse_args()
    compare_engines(arguments.song, arguments.seconds)
    noise_of_museval(arguments.song)


if __name__ == "__main__":
    main()
