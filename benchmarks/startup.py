"""How fast the command wakes up: python benchmarks/startup.py [--rounds 5] [--assert].

Measures, each in fresh processes: imports, `--help` of every command, and `separate` on a clip of
ten seconds from the start to the first stem's file and to the end, in every engine. With --assert
it fails unless
- every `--help` takes less than 0.5 s of CPU
- `separate` in LiteRT takes at most 0.75 times as long as `import tensorflow` alone
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile

from keras_mmdense.synthesis.songs import synthesize

RATE = 44100
MAIN = "from keras_mmdense.cli import main; main()"
IMPORTS = ("numpy", "keras_mmdense.cli", "ai_edge_litert.interpreter", "keras", "tensorflow")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--assert", dest="check", action="store_true")
    options = parser.parse_args()
    codes = {f"import {name}": ["-c", f"import {name}"] for name in IMPORTS}
    codes |= {f"{name} --help": ["-c", MAIN, *name.split(), "--help"] for name in commands()}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.wav"
        soundfile.write(clip, sum(synthesize(1, 10).values()), RATE)
        for engine in ("litert", "tensorflow"):
            out = ["-o", f"{folder}/{engine}", "--engine", engine]
            codes[f"separate, {engine}"] = ["-c", MAIN, "separate", str(clip), *out]
        compile_default()
        found = {name: [] for name in codes}
        for _ in range(options.rounds):
            for name, code in codes.items():
                found[name].append(run(code))
    medians = {
        name: list(map(statistics.median, zip(*runs, strict=True))) for name, runs in found.items()
    }
    print(f"medians of {options.rounds}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':36}{'seconds':>9}{'CPU s':>9}{'first stem':>12}")
    for name, (wall, cpu, first) in medians.items():
        print(f"{name:36}{wall:9.2f}{cpu:9.2f}" + (f"{first:12.2f}" if first else ""))
    if options.check:
        check(medians)


def commands():
    """Names of all commands, those of groups too; "" is the program itself."""
    import typer

    from keras_mmdense import cli

    def walk(command, name):
        yield name
        for child, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, f"{name} {child}".strip())

    return walk(typer.main.get_command(cli.app), "")


def compile_default():
    """Puts the default network into the cache if the package has no file of it."""
    from keras_mmdense.pretrained.catalog import DEFAULT
    from keras_mmdense.separation.engines import compiled

    if not compiled.find_compiled(DEFAULT):
        from keras_mmdense.exporting.tflite.cache import fill_cache

        fill_cache(DEFAULT)


def run(code):
    """Seconds and CPU seconds of a process, and seconds until its first stem is there, or 0."""
    out = Path(code[code.index("-o") + 1]) if "-o" in code else None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, first = time.perf_counter(), 0.0
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, *code], **quiet)
    while process.poll() is None:
        if out and not first and any(out.glob("*/*.wav")):
            first = time.perf_counter() - start
        time.sleep(0.005)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{' '.join(code)} ended with status {process.returncode}")
    for stem in out.glob("*/*.wav") if out else ():
        stem.unlink()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, first or (wall if out else 0.0)


def check(medians):
    slow = [f"{x}: {medians[x][1]:.2f} s" for x in medians if "--help" in x and medians[x][1] > 0.5]
    share = medians["separate, litert"][0] / medians["import tensorflow"][0]
    if share > 0.75:
        slow.append(f"separate in LiteRT takes {share:.2f} times as long as import tensorflow")
    if slow:
        raise SystemExit("\n".join(slow))


if __name__ == "__main__":
    main()
