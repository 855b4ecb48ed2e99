"""Speed of training, asserted: python benchmarks/training.py [--model mmdensenet] [--steps 12].

Trains a network on synthesized songs, with the settings and the batches of `keras-mmdense train`,
with and without oneDNN, which the command turns on; and `mmdensenet` written in plain PyTorch
(torch_mmdensenet.py) on the same batches. They take turns, each in a process of its own. Prints,
and fails where it does not hold:
- seconds of audio trained a second: ours at least that without oneDNN, and PyTorch's
- share of the time that a step waits for its batch: under 10 %
- peak memory of both
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the command does
OURS, PLAIN, PEER = "keras_mmdense", "without oneDNN", "PyTorch"

WARM_UP = 2


def settings(root, model, batch, frames):
    from keras_mmdense.data.datasets import DatasetSpec
    from keras_mmdense.training.config import TrainConfig

    return TrainConfig((DatasetSpec(root),), model=model, batch=batch, frames=frames)


def batches(config, root):
    from keras_mmdense.data.pipeline import training_batches
    from keras_mmdense.training.fit import load_songs, training_chunks

    songs = load_songs(config, Path(root) / "cache")
    return training_batches(training_chunks(config, songs), config.batch)


def timed(rows, step, steps):
    """Seconds in all and seconds of waiting for batches, after the first steps."""
    waited = total = 0.0
    for number in range(steps + WARM_UP):
        start = time.perf_counter()
        batch = next(rows)
        middle = time.perf_counter()
        step(*batch)
        if number >= WARM_UP:
            waited += middle - start
            total += time.perf_counter() - start
    return total, waited


def train_ours(config, root, steps):
    from keras_mmdense.training.fit import make_reproducible
    from keras_mmdense.training.model import compiled_model, network_of

    make_reproducible(config)
    _, model = compiled_model(config, network_of(config))
    return timed(iter(batches(config, root)), model.train_on_batch, steps)


def train_pytorch(config, root, steps):
    import torch
    from torch_mmdensenet import MMDenseNet, training_step

    from keras_mmdense.training.model import network_of

    torch.manual_seed(config.seed)
    network = network_of(config)
    model = MMDenseNet(network.config, network.bins, network.channels)
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)

    def step(mixture, targets):
        pair = (torch.from_numpy(x.swapaxes(1, 2)) for x in (mixture, targets[:, 0]))
        training_step(model, optimizer, *pair, 2 * (network.bins - 1), network.config.hop)

    rows = batches(config, root).as_numpy_iterator()
    return timed(rows, step, steps)


TRAINERS = {OURS: train_ours, PLAIN: train_ours, PEER: train_pytorch}


def measure(name, root, arguments):
    """Runs one trainer in a process of its own."""
    keys = ("model", "steps", "batch", "frames")
    options = [f"--{key}={getattr(arguments, key)}" for key in keys]
    command = [sys.executable, __file__, *options, "--root", root, "--only", name]
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": str(int(name != PLAIN))}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if run.returncode:
        sys.exit(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])


def run_one(arguments):
    config = settings(arguments.root, arguments.model, arguments.batch, arguments.frames)
    total, waited = TRAINERS[arguments.only](config, arguments.root, arguments.steps)
    audio = arguments.steps * config.batch * (config.frames - 1) * 1024 / 44100
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1e6
    print(json.dumps({"speed": audio / total, "waiting": waited / total, "peak": peak}))


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--model", default="mmdensenet", help="network of the zoo")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=TRAINERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        run_one(arguments)
        return
    print(f"{arguments.model}, {platform.machine()}, {os.cpu_count()} cores")
    from keras_mmdense.synthesis.songs import write_songs

    names = [name for name in TRAINERS if name != PEER or arguments.model == "mmdensenet"]
    with tempfile.TemporaryDirectory() as root:
        write_songs(Path(root), 8, 20, seed=3)
        rounds = [
            {name: measure(name, root, arguments) for name in names}
            for _ in range(arguments.rounds)
        ]
    for name in names:
        for found in (one[name] for one in rounds):
            print(
                f"{name}: {found['speed']:.2f} s of audio a second, {found['waiting']:.1%} of the "
                f"time waiting for batches, peak {found['peak']:.2f} GB"
            )
    speeds = {name: max(one[name]["speed"] for one in rounds) for name in names}
    for name in names[1:]:
        print(f"ours to {name}: {speeds[OURS] / speeds[name]:.2f}")
    assert all(one[OURS]["waiting"] < 0.1 for one in rounds)
    assert all(speeds[OURS] >= speed for speed in speeds.values()), speeds


if __name__ == "__main__":
    main()
