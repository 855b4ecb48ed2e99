"""Separate a WAV file with a TFLite file of `keras-mmdense export tflite`: the reference loop.

Needs ai-edge-litert and numpy, nothing else:

    python separate.py stems.tflite song.wav out/

The loop in `separate_windows` is what the Kotlin and Swift samples do, line by line.
"""

import argparse
import json
import wave
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

CARD = b"keras_mmdense_card"


def read_card(path):
    """Read the model card from the file's metadata: stems, sample_rate, window, context..."""
    model = schema.Model.GetRootAs(Path(path).read_bytes())
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == CARD:
            return json.loads(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    raise ValueError(f"{path}: no model card; export the file with keras-mmdense")


def separate_windows(run, card, song):
    """Joins windows without seams.

    Window i keeps the samples [i * window, (i + 1) * window) of the song and sees `context` more
    on either side, zeros outside the song.

    Args:
        run: From a waveform (1, context + window + context, channels) to stems by name, each
            (1, window, channels).
        card: The model card.
        song: (samples, channels), float32.

    Yields:
        Stems by name, (samples of the window that are kept, channels).
    """
    window, context = card["window"], card["context"]
    for start in range(0, len(song), window):
        first, last = start - context, start + window + context
        inside = song[max(first, 0) : last]
        before, after = max(-first, 0), max(last - len(song), 0)
        stems = run(np.pad(inside, ((before, after), (0, 0)))[None])
        keep = min(window, len(song) - start)
        yield {name: stem[0, :keep] for name, stem in stems.items()}


class Separator:
    """A TFLite file of a separator.

    Args:
        path: The file.
        threads: Threads the interpreter uses.
    """

    def __init__(self, path, threads=2):
        self.card = read_card(path)
        self.runner = Interpreter(str(path), num_threads=threads).get_signature_runner()
        if list(self.runner.get_input_details()) != ["waveform"]:
            raise ValueError(f"{path}: takes no waveform; it holds the network alone")

    def separate(self, song):
        """Separates (samples, channels), float32 in [-1, 1], into stems by name of that shape.

        Raises:
            ValueError: If the shape is another, or a sample is NaN or infinite: the graph would
                spread it over the whole window.
        """
        song = np.asarray(song, np.float32)
        channels = self.card["channels"]
        if song.ndim != 2 or song.shape[1] != channels or not len(song):
            raise ValueError(f"expected (samples, {channels}), received {song.shape}")
        finite = np.isfinite(song).all(axis=1)
        if not finite.all():
            raise ValueError(f"sample {int(np.argmin(finite))} is not a finite number")
        parts = list(separate_windows(lambda x: self.runner(waveform=x), self.card, song))
        return {name: np.concatenate([part[name] for part in parts]) for name in self.card["stems"]}


def read_wav(path, card):
    """Read a 16-bit WAV file at the card's sample rate; mono becomes two equal channels."""
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2 or file.getframerate() != card["sample_rate"]:
            raise ValueError(f"{path}: expected 16 bits at {card['sample_rate']} Hz")
        if file.getnchannels() not in (1, card["channels"]):
            raise ValueError(f"{path}: expected 1 or {card['channels']} channels")
        data = file.readframes(file.getnframes())
        song = np.frombuffer(data, "<i2").reshape(-1, file.getnchannels())
    return np.repeat(song / np.float32(32768), card["channels"] // song.shape[1], axis=1)


def write_wav(path, stem, rate):
    """Write (samples, channels) as a 16-bit WAV file."""
    with wave.open(str(path), "w") as file:
        file.setnchannels(stem.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(stem * 32767).astype("<i2").tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="the .tflite file")
    parser.add_argument("song", help="a 16-bit WAV file")
    parser.add_argument("out", type=Path, help="folder for a WAV file a stem")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    separator = Separator(options.model, options.threads)
    stems = separator.separate(read_wav(options.song, separator.card))
    peak = max(float(np.abs(stem).max()) for stem in stems.values())
    if peak > 1:
        print(f"all stems made {20 * np.log10(peak):.2f} dB quieter, so that none clips")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, stem in stems.items():
        path = options.out / f"{name}.wav"
        write_wav(path, stem / max(peak, 1.0), separator.card["sample_rate"])
        print(path)


if __name__ == "__main__":
    main()
