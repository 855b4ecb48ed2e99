"""Cut a network of several targets down to one.

    python benchmarks/recipes/one_target.py mdensenet_cws_4stems vocals runs/vocals0

Writes a network of the same table for that target alone, to start training from (`train --init`).
Its last block is narrower. No activation lies between that block's second convolution and the
output's, so their product is taken; of the first convolution's maps those stay that weigh most in
it. Everything below is copied.
"""

import argparse
import os

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
    one = NetworkSpec(spec.config, (options.target,), spec.bins, spec.channels)
    network = one.build()
    for layer in network.layers:
        if layer.weights and not layer.name.startswith(("final_dense", "output_conv")):
            layer.set_weights(trained.get_layer(layer.name).get_weights())
    for name, weights in last_layers(spec, trained, network, options.target).items():
        network.get_layer(name).set_weights(weights)
    save_network(options.output, one, network)


def last_layers(spec, trained, network, target):
    """Weights of the last block and the output."""
    old = {x.name: x.get_weights() for x in trained.layers if x.weights}
    kernel, bias = old["final_dense2_conv"]
    output, shift = (x[..., outputs_of(spec, target)] for x in old["output_conv"])
    product = kernel @ output[0, 0]
    below = old["final_dense1_conv"][0].shape[2]
    width = network.get_layer("final_dense1_conv").filters
    sizes = np.abs(old["final_dense2_bn"][0]) * np.sqrt(np.square(product).sum(axis=(0, 1, 3)))
    kept = np.sort(np.argsort(sizes[below:])[-width:])
    seen = np.r_[:below, below + kept]
    return {
        "final_dense1_bn": old["final_dense1_bn"],
        "final_dense1_conv": [x[..., kept] for x in old["final_dense1_conv"]],
        "final_dense2_bn": [x[seen] for x in old["final_dense2_bn"]],
        "final_dense2_conv": [product[:, :, seen], bias @ output[0, 0] + shift],
        "output_conv": [np.eye(product.shape[-1])[None, None], np.zeros(product.shape[-1])],
    }


def outputs_of(spec, target):
    """Numbers of a target's maps in the output: by subband, then by target, then by channel."""
    maps = np.arange(spec.config.subbands * len(spec.targets) * spec.channels)
    maps = maps.reshape(spec.config.subbands, len(spec.targets), spec.channels)
    return maps[:, spec.targets.index(target)].ravel()


if __name__ == "__main__":
    main()
