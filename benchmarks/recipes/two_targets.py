"""Cut a network of four stems down to vocals and accompaniment.

    python benchmarks/recipes/two_targets.py mdensenet_cws_4stems musdb18-7s runs/vocals

The vocals' masks stay as they are. The accompaniment's come as close to the sum of the other masks
as the last convolution can bring them: its weights are a least-squares solution for their logits
on the 80 train songs of MUSDB18, each at a random level. Where a mask is nearly 0 or 1, its logit
counts less. Nothing is trained.
"""

import argparse
import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import musdb
import numpy as np
from rich.progress import track

from keras_mmdense.layers import STFT, Magnitude
from keras_mmdense.pretrained.networks import NetworkSpec, load_network, save_network

TARGETS = ("vocals", "accompaniment")
LEVELS = 6  # dB up and down
CLOSED, OPEN = 0.003, 0.985
LAST = "output_conv"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="name or folder")
    parser.add_argument("root", help="folder of MUSDB18")
    parser.add_argument("output", help="folder to write")
    options = parser.parse_args()
    spec, trained = load_network(options.network)
    share = len(spec.targets) // len(TARGETS)
    final = dataclasses.replace(spec.config.final, k=spec.config.final.k * share)
    table = dataclasses.replace(spec.config, name=f"{spec.config.name}_vocals", final=final)
    two = NetworkSpec(table, TARGETS, spec.bins, spec.channels)
    network = two.build()
    for layer in network.layers:
        if layer.weights and layer.name != LAST:
            layer.set_weights(trained.get_layer(layer.name).get_weights())
    found = two_masks(spec, trained, options.root)
    last = network.get_layer(LAST)
    weights = [np.zeros(x.shape, "float32") for x in last.weights]
    for target, values in zip(TARGETS, found, strict=True):
        for x, value in zip(weights, values, strict=True):
            x[..., outputs_of(two, target)] = value
    last.set_weights(weights)
    save_network(options.output, two, network)


def two_masks(spec, trained, root):
    """Kernel and bias of the last convolution, of the vocals and of the accompaniment."""
    last = trained.get_layer(LAST)
    both = keras.Model(trained.input, [last.input, last.output])
    vocals, *others = (outputs_of(spec, target) for target in spec.targets)
    products = targets = 0.0
    for magnitude in magnitudes(spec, root):
        maps, logits = (np.float64(x).reshape(-1, x.shape[-1]) for x in both(magnitude))
        maps = np.column_stack([maps, np.ones(len(maps))])
        masks = 1 / (1 + np.exp(-logits))
        mask = np.clip(sum(masks[:, x] for x in others), CLOSED, OPEN)
        slopes = (mask * (1 - mask)).mean(axis=1, keepdims=True)
        products = products + (maps * slopes).T @ maps
        targets = targets + (maps * slopes).T @ np.log(mask / (1 - mask))
    kernel, bias = last.get_weights()
    solution = np.linalg.solve(products, targets)
    return [kernel[..., vocals], bias[vocals]], [solution[None, None, :-1], solution[-1]]


def magnitudes(spec, root):
    """Magnitudes of the train songs."""
    rng = np.random.default_rng(0)
    stft = STFT(spec.config.n_fft, spec.config.hop)
    for song in track(musdb.DB(root=root, subsets="train", split="train").tracks, "songs"):
        level = 10 ** (rng.uniform(-LEVELS, LEVELS) / 20)
        yield Magnitude()(stft(np.float32(level * song.audio)[None]))


def outputs_of(spec, target):
    """Numbers of a target's maps in the output: by bin of a place, by target, then by channel."""
    maps = np.arange(spec.config.stacked * len(spec.targets) * spec.channels)
    maps = maps.reshape(spec.config.stacked, len(spec.targets), spec.channels)
    return maps[:, spec.targets.index(target)].ravel()


if __name__ == "__main__":
    main()
