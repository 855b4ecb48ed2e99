"""Double the length of the STFT of a network with subbands; its hop stays.

    python benchmarks/recipes/longer_stft.py runs/average runs/longer

Each bin becomes two adjacent bins, which share a place as channels (`adjacent` in the table). The
network computes from their mean what it computed from the bin, and gives both the same mask: it
starts where the other one ended. Train it further with a table of that `n_fft`.
"""

import argparse
import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from keras_mmdense.pretrained.networks import NetworkSpec, load_network, save_network


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="name or folder")
    parser.add_argument("output", help="folder to write")
    options = parser.parse_args()
    spec, trained = load_network(options.network)
    old = spec.config
    table = dataclasses.replace(old, n_fft=2 * old.n_fft, adjacent=2 * old.adjacent)
    longer = NetworkSpec(table, spec.targets, channels=spec.channels)
    network = longer.build()
    for layer in network.layers:
        weights = trained.get_layer(layer.name).get_weights()
        if layer.name == "input_bn":
            weights = [np.append(np.repeat(x[:-1], 2), x[-1]) for x in weights]
        elif layer.name == f"{old.branches[0].name}_first_conv":
            weights[0] = twice(weights[0], 2, old.stacked) / 2
        elif layer.name == "output_conv":
            weights = [twice(x, x.ndim - 1, old.stacked) for x in weights]
        layer.set_weights(weights)
    save_network(options.output, longer, network)


def twice(weights, axis, bins):
    """Repeat the maps of each bin along an axis that is in the order of bins, maps of a bin."""
    parts = np.split(weights, bins, axis)
    return np.concatenate([part for part in parts for _ in range(2)], axis)


if __name__ == "__main__":
    main()
