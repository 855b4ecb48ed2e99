"""Cut a network of several targets down to one.

    python benchmarks/recipes/one_target.py mdensenet_cws_4stems vocals runs/vocals0

Writes a network for that target alone, to start training from (`train --init`), and its table,
`table.json`. Its last block keeps the maps that all targets shared, so that its masks are those of
the network of several.
"""

import argparse
import dataclasses
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from keras_mmdense.pretrained.networks import NetworkSpec, load_network, save_network


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="name or folder")
    parser.add_argument("target", help="one of its targets")
    parser.add_argument("output", help="folder to write")
    options = parser.parse_args()
    spec, trained = load_network(options.network)
    final = dataclasses.replace(spec.config.final, k=spec.config.final.k * len(spec.targets))
    table = dataclasses.replace(
        spec.config, name=f"{spec.config.name}_{options.target}", final=final
    )
    one = NetworkSpec(table, (options.target,), spec.bins, spec.channels)
    network = one.build()
    for layer in network.layers:
        weights = trained.get_layer(layer.name).get_weights() if layer.weights else []
        if layer.name == "output_conv":
            weights = [x[..., outputs_of(spec, options.target)] for x in weights]
        layer.set_weights(weights)
    save_network(options.output, one, network)
    table.to_json(Path(options.output) / "table.json")


def outputs_of(spec, target):
    """Numbers of a target's maps in the output: by subband, then by target, then by channel."""
    maps = np.arange(spec.config.subbands * len(spec.targets) * spec.channels)
    maps = maps.reshape(spec.config.subbands, len(spec.targets), spec.channels)
    return maps[:, spec.targets.index(target)].ravel()


if __name__ == "__main__":
    main()
