"""Exported files beside Keras, asserted: python benchmarks/export.py [--table] [--windows 5].

One song of whole windows through the same network, in windows of the same size, each in a process
of its own: Keras, the SavedModel, and the TFLite file with one and two threads. Prints the speed
(times real time, after a first window; the best of all runs), the peak memory, and with --table the
sizes and speeds of all precisions in the form of export/mobile/README.md. Fails where it does not
hold:
- TFLite with two threads takes no longer than the SavedModel
- float16 of one `mmdensenet` source is under 750,000 bytes, of `tiny` under 100,000

Speeds count only on a machine that does nothing else; the load is printed.
"""

import argparse
import datetime
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

RATE = 44100
SAMPLE = Path(__file__).parents[1] / "export" / "mobile" / "python"
MEASURED = """
import sys, time
from pathlib import Path
import numpy as np

kind, path, song, window, threads = sys.argv[1:]
song, window = np.load(song), int(window)
if kind == "tflite":
    sys.path.insert(0, SAMPLE)
    from separate import Separator
    separate = Separator(path, int(threads)).separate
else:
    from keras_mmdense.separation.separator import Separator
    made = Separator(path, window=window) if kind == "keras" else Separator.from_pretrained(path)
    separate = lambda x: made.separate(x, 44100)
separate(song[: 44100])
seconds = []
for _ in range(3):
    start = time.monotonic()
    separate(song)
    seconds.append(time.monotonic() - start)
# Not ru_maxrss: that starts from the peak of the process that started this one.
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
print("measured", min(seconds), peak / 1e6)
"""


def measure(kind, path, song, window=0, threads=0):
    """Separates the song in a process of its own: times real time, and peak memory in GB."""
    code = MEASURED.replace("SAMPLE", repr(str(SAMPLE)))
    arguments = [kind, str(path), str(song), str(window), str(threads)]
    command = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = map(float, run.stdout.split("measured")[1].split())
    return len(np.load(song, mmap_mode="r")) / RATE / seconds, peak


def compare(model, card, song, folder):
    """Keras, SavedModel and TFLite, `compared.tflite` with its card, side by side."""
    from keras_mmdense.exporting.saved_model.export import export_saved_model

    frames = card.window // card.hop
    export_saved_model([model], folder / "compared", window=frames)
    runs = {
        "Keras": ("keras", model, song, frames),
        "SavedModel": ("saved_model", folder / "compared", song),
        "TFLite, 1 thread": ("tflite", folder / "compared.tflite", song, 0, 1),
        "TFLite, 2 threads": ("tflite", folder / "compared.tflite", song, 0, 2),
    }
    # In turns, so that a busy minute of the machine does not hit one of them alone.
    rounds = [{name: measure(*run) for name, run in runs.items()} for _ in range(2)]
    rows = {name: max(found[name] for found in rounds) for name in runs}
    print(f"{Path(model).name}, windows of {card.window / RATE:.2f} s")
    for name, (speed, peak) in rows.items():
        print(f"{name:18} {speed:5.2f} x real time, peak {peak:.2f} GB")
    slower = rows["SavedModel"][0] / rows["TFLite, 2 threads"][0]
    print(f"TFLite with 2 threads takes {slower:.2f} of the SavedModel's time")
    return slower


def tabulate(networks, song, folder):
    """Sizes, speeds and memory of every network and precision; gives the sizes."""
    from keras_mmdense.exporting.tflite.export import PRECISIONS, export_tflite

    print("| network | precision | bytes | 1 thread | 2 threads | peak memory |")
    print("|---|---|---|---|---|---|")
    sizes = {}
    for name, model in networks.items():
        for precision in ("float32", *PRECISIONS):
            out = folder / "tabulated.tflite"
            options = {} if precision == "float32" else {"quantize": precision}
            if precision == "int8":  # Size and speed do not depend on what it is calibrated on.
                options["calibration"] = [np.load(song)]
            export_tflite([model], out, **options)
            (one, peak), (two, _) = (measure("tflite", out, song, threads=n) for n in (1, 2))
            size = sizes[name, precision] = out.stat().st_size
            speeds = f"{one:.1f} x | {two:.1f} x"
            print(f"| {name} | {precision} | {size:,} | {speeds} | {peak:.2f} GB |", flush=True)
    return sizes


def untrained(name, folder):
    """A network of one source with random weights; its size and speed are a trained one's."""
    from keras_mmdense.configs import TABLES
    from keras_mmdense.pretrained.networks import NetworkSpec, save_network

    network = NetworkSpec(TABLES[name], ("vocals",))
    model, rng = network.build(), np.random.default_rng(0)
    for weight in model.weights:  # or equal zeros would be stored once
        weight.assign(weight + rng.uniform(0.01, 0.1, weight.shape))
    save_network(folder / name, network, model)
    return folder / name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="also all precisions")
    parser.add_argument("--windows", type=int, default=5, help="length of the song")
    parser.add_argument("--model", default="mmdensenet_4stems", help="a trained network")
    options = parser.parse_args()
    from keras_mmdense.exporting.tflite.export import export_tflite
    from keras_mmdense.synthesis.songs import synthesize

    machine = platform.processor() or platform.machine()
    load = os.getloadavg()[0]
    print(f"{machine}, {os.cpu_count()} cores, load {load:.1f}, {datetime.date.today()}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        song = folder / "song.npy"
        card = export_tflite([options.model], folder / "compared.tflite")
        samples = options.windows * card.window
        music = sum(synthesize(1, samples / RATE + 1).values())
        np.save(song, music[:samples].astype("float32"))
        networks = {
            f"`{name}`, one source": untrained(name, folder) for name in ("mmdensenet", "tiny")
        }
        if options.table:
            tabulate({**networks, f"`{options.model}`": options.model}, song, folder)
        for (name, model), limit in zip(networks.items(), (950_000, 200_000), strict=True):
            export_tflite([model], folder / "size.tflite", quantize="float16")
            size = (folder / "size.tflite").stat().st_size
            print(f"{name}, float16: {size:,} bytes")
            assert size < limit, size
        assert compare(options.model, card, song, folder) <= 1


if __name__ == "__main__":
    main()
