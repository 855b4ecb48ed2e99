"""What each filter scores: python benchmarks/filters.py --root musdb18-7s [--model NAME].

Separates the validation songs of a data set with one network and several filters behind it: masks
with the mixture's phase, the ratio of the estimated magnitudes or of their squares, norbert's
multichannel Wiener filter, which takes powers, and `WienerFilter`, which takes magnitudes. Prints
the median over songs of each stem's SDR, their average, and the mean difference over songs to the
last filter with its standard error.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import norbert
import numpy as np
from latency import sdr

from keras_mmdense.data.songs import find_songs
from keras_mmdense.layers import STFT, FillUp, InverseSTFT, WienerFilter
from keras_mmdense.layers.wiener import ratio_mask
from keras_mmdense.pretrained.catalog import DEFAULT
from keras_mmdense.pretrained.networks import load_network
from keras_mmdense.separation.graph import WIENER_REACH


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="data set with validation songs")
    parser.add_argument("--model", default=DEFAULT, help="network of all stems")
    options = parser.parse_args()
    spec, network = load_network(options.model)
    scores = {name: [] for name in FILTERS}
    for song in find_songs(options.root, "valid"):
        stems = song.stems()
        references = [stems[target] for target in spec.targets]
        found = separated(sum(stems.values()), spec, network)
        for name, estimates in found.items():
            pairs = zip(references, estimates, strict=True)
            scores[name].append([sdr(*pair) if pair[0].any() else np.nan for pair in pairs])
    best = np.array(scores[list(FILTERS)[-1]])
    print("filter", *spec.targets, "average", "difference", sep=" | ")
    for name, rows in scores.items():
        medians, apart = np.nanmedian(rows, axis=0), np.nanmean(rows - best, axis=1)
        error = np.std(apart) / len(apart) ** 0.5
        print(name, *(f"{x:.2f}" for x in (*medians, medians.mean())), sep=" | ", end=" | ")
        print(f"{apart.mean():+.2f} ± {error:.2f}")


def separated(mixture, spec, network):
    """Stems of a mixture by filter, (sources, samples, channels) each."""
    hop, n_fft = spec.config.hop, spec.config.n_fft
    waveform = np.pad(mixture, ((0, -len(mixture) % hop), (0, 0)))[None].astype("float32")
    real, imag = (np.array(x) for x in STFT(n_fft, hop)(waveform))
    size = np.hypot(real, imag)
    estimates = np.array(FillUp()([network(size), size]))[0]
    spectra = real[0] + 1j * imag[0].astype("float64")
    found = {}
    for name, filtered in FILTERS.items():
        z = filtered(estimates, spectra)[None].astype("complex64")
        found[name] = np.array(InverseSTFT(n_fft, hop)([z.real, z.imag, waveform]))[0]
    return {name: stems[:, : len(mixture)] for name, stems in found.items()}


def mask(estimates, mixture):
    return estimates / np.maximum(np.abs(mixture), 1e-12) * mixture


def ratio(estimates, mixture, power=1):
    return complex_of(ratio_mask, estimates**power, mixture)


def wiener_of_powers(estimates, mixture):
    v = np.moveaxis(estimates, 0, -1).astype("float64")
    y = norbert.wiener(v, mixture.copy(), iterations=1, use_softmask=False, eps=1e-20)
    return np.moveaxis(y, -1, 0)


def wiener(estimates, mixture):
    return complex_of(lambda *parts: WienerFilter(WIENER_REACH)(parts), estimates, mixture)


def complex_of(function, estimates, mixture):
    """Call a function of magnitudes, real and imaginary part of the mixture."""
    inputs = [x[None].astype("float32") for x in (estimates, mixture.real, mixture.imag)]
    real, imag = (np.array(x)[0] for x in function(*inputs))
    return real + 1j * imag


FILTERS = {
    "mask alone": mask,
    "ratio of squares": lambda *args: ratio(*args, power=2),
    "ratio": ratio,
    "Wiener filter of powers (norbert)": wiener_of_powers,
    "`WienerFilter`": wiener,
}


if __name__ == "__main__":
    main()
