"""Time and memory of separating, beside Open-Unmix: python benchmarks/inference.py [--assert].

Every system separates the same synthesized song in a process of its own, whole pipeline from
waveform to stems, in turns: one pass each, round after round. Ours are every shipped network in
every engine, and four `mmdensenet` of one stem each; they stream, as the command does: stems are
dropped as soon as they are there. Open-Unmix takes the song at once. It is measured if openunmix
and torch are installed (`pip install "keras-mmdense[bench]"`): the geometry of umxhq, random
weights, one iteration of its Wiener filter. The rate of a matrix product of float32 is measured in
the same rounds.

Prints medians, the spread, the time relative to Open-Unmix, multiply-adds and peak memory, and
writes a plot. With --assert it fails unless
- the default network takes at most 0.25 times Open-Unmix's time
- four `mmdensenet` in LiteRT take at most twice Open-Unmix's time
- the default network's peak memory is at most 350 MB in LiteRT, and in TensorFlow at most 600 MB
  besides the pages of libraries, which are shared with the disk and with other processes
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections import deque
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

RATE = 44100
OPEN_UNMIX, PRODUCT, FOUR = "Open-Unmix", "matrix product", "4 x mmdensenet"
SIZE = 1024  # of the matrices
PRODUCTS = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--systems", nargs="*", help="Those to measure; all by default.")
    parser.add_argument("--plot", type=Path, default=Path("inference.png"))
    parser.add_argument("--assert", dest="check", action="store_true")
    parser.add_argument("--child", nargs=2, metavar=("SYSTEM", "SONG"), help=argparse.SUPPRESS)
    parser.add_argument("--export", nargs=2, metavar=("SYSTEM", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.export:
        export(*options.export)
        return
    if options.child:
        serve(*options.child, options.threads)
        return
    systems = [*(options.systems or list_systems()), PRODUCT]
    times, peaks, facts = measure(systems, options)
    rate = PRODUCTS * SIZE**3 / statistics.median(times.pop(PRODUCT)) / 1e9
    peaks.pop(PRODUCT)
    report(times, peaks, facts, rate, options)
    plot(times, peaks, options)
    if options.check:
        check(times, peaks)


def list_systems():
    """Names of the systems that are installed: "network (engine)", and the peer."""
    from importlib.util import find_spec

    from keras_mmdense.pretrained.catalog import list_weights

    engines = ["tensorflow"] + ["litert"] * bool(find_spec("ai_edge_litert"))
    names = [*(name for name in list_weights() if name not in networks_of(FOUR)), FOUR]
    systems = [f"{name} ({engine})" for name in names for engine in engines]
    peer = [OPEN_UNMIX] if find_spec("openunmix") and find_spec("torch") else []
    return [*systems, *peer]


def measure(systems, options):
    """Seconds of every pass, peak MB and facts, by system; passes take turns."""
    from keras_mmdense.synthesis.songs import synthesize

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        song = Path(folder) / "song.npy"
        np.save(song, sum(synthesize(1, options.seconds).values()))
        children = {}
        for system in systems:
            print(f"loading {system}", file=sys.stderr, flush=True)
            children[system] = start(system, song, options.threads, stack)
        facts = {system: ask(child) for system, child in children.items()}
        times = {system: [] for system in systems}
        for turn in range(options.rounds):
            for system, child in children.items():
                answer = ask(child, "go")
                times[system].append(answer["seconds"])
                facts[system] |= answer
                load = os.getloadavg()[0]
                print(
                    f"round {turn + 1}: {system} {answer['seconds']:.2f} s, load {load:.1f}",
                    file=sys.stderr,
                    flush=True,
                )
    peaks = {system: (facts[system]["peak"], facts[system]["private"]) for system in systems}
    return times, peaks, facts


def start(system, song, threads, stack):
    command = [sys.executable, __file__, "--threads", str(threads), "--child", system, str(song)]
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
    return stack.enter_context(child)


def ask(child, question=None):
    if question:
        print(question, file=child.stdin, flush=True)
    line = child.stdout.readline()
    if not line:
        raise SystemExit(f"{child.args[-2]} ended with status {child.wait()}")
    return json.loads(line)


def serve(system, song, threads):
    """What a child does: loads a system, then separates once for every line of its input."""
    if hasattr(os, "sched_setaffinity"):  # before the libraries count the cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    waveform = np.load(song, mmap_mode="r")
    separate, facts = load(system, threads)
    separate(waveform[: 2 * RATE])
    print(json.dumps(facts), file=answers, flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        separate(waveform)
        answer = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps({**answer, **peak_memory()}), file=answers, flush=True)


def load(system, threads):
    """A function of a waveform (samples, 2), and what is known of the system."""
    if system == PRODUCT:
        a = np.random.default_rng(0).standard_normal((SIZE, SIZE)).astype("float32")
        return lambda _: [a @ a for _ in range(PRODUCTS)], {}
    if system == OPEN_UNMIX:
        return load_open_unmix(threads)
    from keras_mmdense.separation.streaming import split

    name, _, engine = system.rstrip(")").partition(" (")
    separator, facts = load_litert(name, threads) if engine == "litert" else load_keras(name)
    return lambda waveform: deque(separator.stream(split(waveform, RATE), RATE), maxlen=0), facts


def load_open_unmix(threads):
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")  # not used by what is measured
    import openunmix
    import torch

    torch.set_num_threads(threads)
    separator = openunmix.umxhq(pretrained=False, niter=1).eval()

    def separate(waveform):
        with torch.inference_mode():
            separator(torch.from_numpy(waveform.T[None].copy()))

    return separate, {"parameters": sum(x.numel() for x in separator.parameters())}


def load_keras(name):
    from keras_mmdense import Separator
    from keras_mmdense.analysis.efficiency import per_second
    from keras_mmdense.models.registry import parameters
    from keras_mmdense.pretrained.networks import load_network

    networks = [load_network(x) for x in networks_of(name)]
    facts = {
        "parameters": sum(parameters(model) for _, model in networks),
        "multiply_adds": sum(per_second(*network) for network in networks),
    }
    return Separator.from_networks(networks), facts


def load_litert(name, threads):
    from keras_mmdense import Separator
    from keras_mmdense.separation.engines import compiled, litert

    found = None if name == FOUR else compiled.find_compiled(name)
    with tempfile.TemporaryDirectory() as folder:
        if not found:
            found = Path(folder) / "stems.tflite"
            # By a process whose memory does not count.
            write = [sys.executable, __file__, "--export", name, str(found)]
            subprocess.run(write, check=True, stdout=sys.stderr)
        return Separator(litert.tflite_engine(found, threads)), {}


def export(name, file):
    """Writes a file as `separate` uses it, in steps and 8 bits, of a network or of the four."""
    from keras_mmdense.exporting.tflite.export import export_tflite

    export_tflite(networks_of(name), file, steps=True, quantize="dynamic")


def networks_of(name):
    from keras_mmdense.stems import STEMS

    return [f"mmdensenet_{stem}" for stem in STEMS] if name == FOUR else [name]


def peak_memory():
    """Peak memory of this process in MB, and the same without the pages of files (Linux)."""
    # Not ru_maxrss: that starts from the peak of the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak, files = (int(status.split(f"{x}:")[1].split()[0]) / 1e3 for x in ("VmHWM", "RssFile"))
    return {"peak": peak, "private": peak - files}


def report(times, peaks, facts, rate, options):
    from rich.console import Console
    from rich.table import Table

    title = f"{options.seconds:g} s of stereo at {RATE} Hz, {options.threads} threads, "
    table = Table(title=title + f"medians of {options.rounds}; matrix product {rate:.1f} G/s")
    table.add_column("system")
    columns = ("parameters", "s / s", "spread", "CPU s / s", "of Open-Unmix", "limit")
    columns += ("peak MB", "private MB")
    for column in columns:
        table.add_column(column, justify="right")
    medians = {system: statistics.median(values) for system, values in times.items()}
    for system, values in times.items():
        seconds, known = options.seconds, facts[system]
        share = medians[system] / medians[OPEN_UNMIX] if OPEN_UNMIX in medians else None
        limit = known["multiply_adds"] / rate / 1e9 if "multiply_adds" in known else None
        table.add_row(
            system,
            f"{known['parameters']:,}" if "parameters" in known else "",
            f"{medians[system] / seconds:.4f}",
            f"{min(values) / seconds:.4f} to {max(values) / seconds:.4f}",
            f"{known['cpu'] / seconds:.4f}",
            "" if share is None else f"{share:.2f}",
            "" if limit is None else f"{limit:.4f}",
            *(f"{peak:.0f}" for peak in peaks[system]),
        )
    Console(width=140).print(table)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; limit: multiply-adds / rate")


def plot(times, peaks, options):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 0.5 * len(times) + 1.5), sharey=True)
    for system, values in times.items():
        low, median, high = (f(values) / options.seconds for f in (min, statistics.median, max))
        spread = [[median - low], [high - median]]
        axes[0].barh(system, median, xerr=spread, capsize=3, color="tab:blue")
        axes[1].barh(system, peaks[system][0], color="tab:orange")
    axes[0].set_xlabel("seconds of work for a second of audio")
    axes[0].invert_yaxis()
    axes[1].set_xlabel("peak memory in MB")
    figure.suptitle(f"{options.seconds:g} s of stereo, {options.threads} threads")
    figure.tight_layout()
    figure.savefig(options.plot, dpi=120)
    print(options.plot)


def check(times, peaks):
    from keras_mmdense.pretrained.catalog import DEFAULT

    medians = {system: statistics.median(values) for system, values in times.items()}
    if OPEN_UNMIX not in medians:
        raise SystemExit("nothing to compare with: Open-Unmix is not installed")
    fast, full = f"{DEFAULT} (litert)", f"{DEFAULT} (tensorflow)"
    four = f"{FOUR} (litert)"
    limits = [
        (medians[fast] / medians[OPEN_UNMIX], 0.25, "default network's time of Open-Unmix's"),
        (medians[four] / medians[OPEN_UNMIX], 2, "four mmdensenet's time of Open-Unmix's"),
        (peaks[full][1], 600, "peak MB in TensorFlow, without its libraries"),
        (peaks[fast][0], 350, "peak MB in LiteRT"),
    ]
    failed = [
        f"{what}: {value:.2f}, limit {limit}" for value, limit, what in limits if value > limit
    ]
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
