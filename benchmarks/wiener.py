"""Time of the Wiener filter beside norbert's: python benchmarks/wiener.py [--assert].

Filters the same spectra, in pieces of the 96 frames that `separate` takes at a time, with
`WienerFilter` in a `.tflite` file and in TensorFlow, and with norbert, in turns. norbert computes
in double precision: in single precision its own rounding errors are too large to compare with.
Prints medians over the rounds, and how far the results are apart. With --assert it fails if the
filter in the file takes more than a tenth of norbert's time, or if results differ by more than 1e-4
of the largest value.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import norbert
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_mmdense.exporting.tflite.conversion import Function, convert
from keras_mmdense.layers import STFT, WienerFilter
from keras_mmdense.synthesis.songs import synthesize
from keras_mmdense.utils.quiet import quiet_stderr

N_FFT, HOP, FRAMES = 2048, 1024, 96
EPS = 1e-20  # of norbert
LIMIT, TOLERANCE = 0.1, 1e-4
FILE, KERAS, PEER = "WienerFilter, LiteRT", "WienerFilter, TensorFlow", "norbert"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--assert", dest="check", action="store_true")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    pieces = spectra(options.seconds)
    filters = {FILE: in_litert(options.threads), KERAS: in_keras(), PEER: in_norbert}
    times, results = {name: [] for name in filters}, {}
    for _ in range(options.rounds + 1):
        for name, call in filters.items():
            start = time.perf_counter()
            results[name] = [call(*piece) for piece in pieces]
            times[name].append(time.perf_counter() - start)
    # The first round warms up.
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    errors = {name: difference(results[name], results[PEER]) for name in filters}
    print(f"{options.seconds} s of stereo into four sources, {options.threads} threads")
    for name, median in medians.items():
        share = median / medians[PEER]
        print(f"{name:25}{median:8.3f} s{share:7.3f} of norbert's, difference {errors[name]:.1e}")
    if options.check:
        assert medians[FILE] <= LIMIT * medians[PEER], medians
        assert max(errors.values()) <= TOLERANCE, errors


def spectra(seconds):
    """Pieces of the magnitudes of stems, each too loud or too quiet, and of their mixture."""
    stems = np.stack(list(synthesize(1, seconds).values())).astype("float32")
    real, imag = (np.array(x) for x in STFT(N_FFT, HOP)(stems))
    wrong = np.random.default_rng(0).uniform(0.5, 1.5, real.shape)
    whole = (np.hypot(real, imag) * wrong).astype("float32"), real.sum(axis=0), imag.sum(axis=0)
    cuts = range(0, real.shape[1] - FRAMES + 1, FRAMES)
    return [[x[..., cut : cut + FRAMES, :, :] for x in whole] for cut in cuts]


def in_litert(threads):
    layer, bins = WienerFilter(), N_FFT // 2 + 1
    mixture = (1, FRAMES, bins, 2)
    shapes = {"magnitudes": (1, 4, FRAMES, bins, 2), "real": mixture, "imag": mixture}
    graph = Function(lambda *x: list(layer(x)), shapes, ("filtered_real", "filtered_imag"))
    with quiet_stderr():
        interpreter = Interpreter(model_content=convert(graph, None, None), num_threads=threads)
        runner = interpreter.get_signature_runner()

    def call(*piece):
        found = runner(**{name: x[None] for name, x in zip(shapes, piece, strict=True)})
        return found["filtered_real"][0], found["filtered_imag"][0]

    return call


def in_keras():
    layer = tf.function(WienerFilter())
    return lambda *piece: [x.numpy()[0] for x in layer([tf.constant(x[None]) for x in piece])]


def in_norbert(magnitudes, real, imag):
    """The steps of `norbert.expectation_maximization`, but with v from magnitudes."""
    x = real + 1j * imag.astype("float64")
    x /= (scale := max(1, np.abs(x).max() / 10))
    estimates = magnitudes / np.maximum(np.hypot(real, imag), 1e-30) * x
    models = [norbert.get_local_gaussian_model(y, EPS) for y in estimates]
    covariances = np.stack([covariance[0] for _, covariance in models], axis=-1)
    v = np.stack([np.mean(np.abs(y * x), axis=-1) for y in estimates], axis=-1)
    filtered = np.empty_like(estimates)
    for t in range(len(x)):
        total = norbert.get_mix_model(v[t : t + 1], covariances) + EPS**0.5 * np.eye(2)
        inverse = np.linalg.inv(total)
        for j in range(len(estimates)):
            gain = norbert.wiener_gain(v[t : t + 1, :, j], covariances[..., j], inverse)
            filtered[j, t] = norbert.apply_filter(x[t : t + 1], gain)[0]
    return scale * filtered.real, scale * filtered.imag


def difference(found, expected):
    found, expected = (np.array(x) for x in (found, expected))
    return np.abs(found - expected).max() / np.abs(expected).max()


if __name__ == "__main__":
    main()
