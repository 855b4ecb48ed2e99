"""The effect of each lever of a training, in one table, with equal time for each lever.

    python benchmarks/ablations.py benchmarks/ablations.json --root musdb18-7s --minutes 20 \
        --output runs/ablations --page docs/ablations.md

The JSON file is a list of levers, a baseline before the levers that are compared with it:

    [{"name": "paper", "arguments": "--model mmdensenet --target vocals"},
     {"name": "no augmentation", "arguments": "--augment none", "baseline": "paper"}]

Each lever is trained by `keras-mmdense train` with the arguments of its baseline and then its own,
for the given minutes of training (validation does not count) and to the end of the epoch. The
learning rate stays constant unless a lever says otherwise, since the number of epochs is not known.
The network that validates best is scored on the validation songs of the first root. Differences are
means over songs of the average over stems, see `keras-mmdense compare`. Run the command again to
resume, to train for more minutes or to add levers: what is trained and scored is kept.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from keras_mmdense.evaluation.comparison import compare
from keras_mmdense.evaluation.results_file import read_scores
from keras_mmdense.utils.files import replacing

COMMAND = (sys.executable, "-c", "from keras_mmdense.cli import main; main()")
ENDLESS = ("--epochs", "1000000", "--schedule", "constant")
HEADINGS = (
    *("lever", "arguments of `train`", "compared with", "audio seen (min)", "trained (min)"),
    *("songs", "average SDR (dB)", "difference (dB)", "95 % interval", "verdict"),
)
MARKS = ("<!-- table: benchmarks/ablations.py -->", "<!-- end of the table -->")


def read_levers(path):
    """Reads the levers by name; each gets "all", its arguments after those of its baseline."""
    levers = {}
    for entry in json.loads(Path(path).read_text(encoding="utf-8")):
        name, baseline = entry.get("name"), entry.get("baseline")
        if not {"name", "arguments"} <= set(entry) <= {"name", "arguments", "baseline"}:
            sys.exit(f"{path}: expected name, arguments and perhaps baseline; received {entry}")
        if name in levers or Path(name).name != name or name in ("cache", "table.md"):
            sys.exit(f"{path}: {name!r} is taken twice or cannot name a folder")
        if baseline is not None and baseline not in levers:
            sys.exit(f"{path}: {name}: no earlier lever is called {baseline!r}")
        before = levers[baseline]["all"] if baseline else []
        levers[name] = {**entry, "all": [*before, *shlex.split(entry["arguments"])]}
    return levers


def progress_of(folder):
    """Contents of a run's `run.json`, zeros before its first epoch."""
    path = folder / "run.json"
    run = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {"training_seconds": 0.0, "audio_seconds": 0.0, "finished": False, **run}


def check_arguments(path, arguments):
    """Refuse a folder that was trained with other arguments, and record them in a new one."""
    if path.is_file() and (found := json.loads(path.read_text(encoding="utf-8"))) != arguments:
        sys.exit(f"{path}: trained with {shlex.join(found)}, expected {shlex.join(arguments)}")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(arguments) + "\n", encoding="utf-8")


def train(folder, lever, roots, minutes):
    """Train, or resume, until an epoch ends after this many minutes."""

    def done():
        run = progress_of(folder)
        return run["finished"] or run["training_seconds"] >= 60 * minutes

    places = [word for root in roots for word in ("--root", root)]
    check_arguments(folder / "arguments.json", [*places, *lever["all"]])
    if done():
        return
    shutil.rmtree(folder / "scores", ignore_errors=True)  # those of the network as it was
    places += ["--output", str(folder), "--cache", str(folder.parent / "cache")]
    process = subprocess.Popen([*COMMAND, "train", *ENDLESS, *places, *lever["all"]])
    try:
        while process.poll() is None and not done():
            time.sleep(0.5)
    finally:
        process.terminate()
        process.wait()
    if not done():
        sys.exit(f"{folder}: the training ended with status {process.returncode}")


def evaluate(folder, root):
    if (folder / "scores" / "scores.json").is_file():
        return
    place = ["--root", root, "--split", "valid", "--output", str(folder / "scores")]
    options = ["--model", str(folder), "--oracles", "none", "--engine", "fast"]
    subprocess.run([*COMMAND, "evaluate", *place, *options], check=True)


def scores_of(folder):
    (songs,) = read_scores(folder / "scores" / "scores.json").values()
    return songs


def rows(levers, output):
    """Lines of the table, for levers whose folders in `output` hold `run.json` and scores."""
    yield HEADINGS
    for name, lever in levers.items():
        run, baseline = progress_of(output / name), lever.get("baseline")
        own = scores_of(output / name)
        found = compare(scores_of(output / baseline) if baseline else own, own)
        row = found.average or next(iter(found.stems.values()))
        against = ("", "", "")
        if baseline:
            interval = "{:+.2f} to {:+.2f}".format(*row.mean.interval) if row.mean.interval else ""
            against = (f"{row.mean.difference:+.2f}", interval, row.verdict())
        facts = (f"{run[key] / 60:.1f}" for key in ("audio_seconds", "training_seconds"))
        score = (str(len(row.songs)), f"{row.median.other:.2f}")
        yield name, f"`{lever['arguments']}`", baseline or "", *facts, *score, *against


def table(lines):
    """The table as Markdown."""
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    head, *body = (f"| {' | '.join(line)} |" for line in cells)
    return "\n".join([head, "|" + " --- |" * len(HEADINGS), *body])


def fill_page(path, text):
    """Insert text between the marks of a page."""
    page = path.read_text(encoding="utf-8")
    if page.count(MARKS[0]) != 1 or page.count(MARKS[1]) != 1:
        sys.exit(f"{path}: expected one {MARKS[0]} and one {MARKS[1]}")
    before, after = page.split(MARKS[0])[0], page.split(MARKS[1])[1]
    with replacing(path) as temporary:
        temporary.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("levers", help="JSON list of levers")
    parser.add_argument("--root", action="append", required=True, help="data sets to train on")
    parser.add_argument("--output", type=Path, required=True, help="folder of a run a lever")
    parser.add_argument("--minutes", type=float, required=True, help="training time of each")
    parser.add_argument("--page", type=Path, help="Markdown page that gets the table")
    arguments = parser.parse_args()
    levers = read_levers(arguments.levers)
    for name, lever in levers.items():
        train(arguments.output / name, lever, arguments.root, arguments.minutes)
        evaluate(arguments.output / name, arguments.root[0])
    machine = f"{os.cpu_count()} cores ({platform.machine()})"
    roots = ", ".join(Path(root).name for root in arguments.root)
    caption = f"{arguments.minutes:g} minutes each on {machine}; trained on {roots}."
    text = f"{table(rows(levers, arguments.output))}\n\n{caption}"
    with replacing(arguments.output / "table.md") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    if arguments.page:
        fill_page(arguments.page, text)
    print(text)


if __name__ == "__main__":
    main()
