"""The paper's comparison from one command: networks of every kind on equal data, as a table.

    python benchmarks/comparison.py --root musdb18-7s --root everythingisfree --output runs/compared

Trains every network on the same batches with `keras-mmdense train`, scores all of them on the
validation songs of the first root with `keras-mmdense evaluate`, and writes `table.md` and
`table.png` into the output folder. What is done already is not done again: start it again to go on.
The defaults are a short run for vocals on two cores. A long run on a GPU, all stems:

    KERAS_BACKEND=jax python benchmarks/comparison.py --root musdb18 --output runs/long --batch 8 \
        --frames 256 --steps 100 --epochs 80 --target vocals --target drums --target bass \
        --target other
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

NETWORKS = ("mmdensenet", "mdensenet", "densenet", "blstm")
COMMAND = (sys.executable, "-c", "from keras_mmdense.cli import main; main()")
SIZES = ("epochs", "steps", "batch", "frames")


def train(name, arguments):
    roots = [word for root in arguments.root for word in ("--root", root)]
    targets = [word for target in arguments.target for word in ("--target", target)]
    sizes = [f"--{size}={getattr(arguments, size)}" for size in SIZES]
    folders = [f"--output={arguments.output / name}", f"--cache={arguments.output / 'cache'}"]
    command = [*COMMAND, "train", *roots, *targets, *sizes, *folders, f"--model={name}"]
    subprocess.run(command, check=True)


def evaluate(arguments):
    models = [f"--model={arguments.output / name}" for name in arguments.network]
    scores = arguments.output / "scores"
    place = ["--root", arguments.root[0], "--split=valid", f"--output={scores}"]
    subprocess.run([*COMMAND, "evaluate", *place, *models], check=True)
    return json.loads((scores / "scores.json").read_text())["systems"]


def rows(arguments, systems):
    """Lines of the table: name, parameters, training, then SDR a stem."""
    stems = list(next(iter(systems.values()))["summary"])
    yield [
        "network",
        "parameters",
        "training (s)",
        "audio seen (min)",
        *(f"{s} SDR" for s in stems),
    ]
    for system, found in systems.items():
        facts = ["", "", ""]
        if (Path(system) / "run.json").is_file():
            run = json.loads((Path(system) / "run.json").read_text())
            size = f"{found['description']['parameters']:,}"
            facts = [size, f"{run['training_seconds']:.0f}", f"{run['audio_seconds'] / 60:.1f}"]
        scores = (found["summary"].get(stem, {}).get("SDR") for stem in stems)
        yield [Path(system).name, *facts, *("" if s is None else f"{s:.2f}" for s in scores)]


def write_table(lines, path):
    head, *body = (f"| {' | '.join(line)} |\n" for line in lines)
    path.write_text(head + "|---" * len(lines[0]) + "|\n" + "".join(body))


def draw(systems, path):
    from matplotlib.figure import Figure

    stems = list(next(iter(systems.values()))["summary"])
    figure = Figure(figsize=(2 + 2.5 * len(stems), 4), layout="constrained")
    for axes, stem in zip(figure.subplots(1, len(stems), squeeze=False)[0], stems, strict=True):
        values = {name: found["summary"][stem]["SDR"] for name, found in systems.items()}
        bars = axes.bar([Path(name).name for name in values], values.values(), color="#0072B2")
        axes.bar_label(bars, fmt="%.1f")
        axes.set(title=stem, ylabel="SDR (dB)")
        axes.margins(y=0.15)  # room for the labels
        axes.tick_params("x", rotation=60)
    figure.savefig(path, dpi=150)


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--root", action="append", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--network", action="append")
    parser.add_argument("--target", action="append")
    for size, value in zip(SIZES, (4, 15, 4, 128), strict=True):
        parser.add_argument(f"--{size}", type=int, default=value)
    arguments = parser.parse_args()
    arguments.network = arguments.network or list(NETWORKS)
    arguments.target = arguments.target or ["vocals"]
    for name in arguments.network:
        train(name, arguments)
    systems = evaluate(arguments)
    lines = list(rows(arguments, systems))
    write_table(lines, arguments.output / "table.md")
    draw(systems, arguments.output / "table.png")
    print((arguments.output / "table.md").read_text())


if __name__ == "__main__":
    main()
