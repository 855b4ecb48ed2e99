"""Average the weights of networks of the same table that come from one another.

    python benchmarks/recipes/average.py runs/stage7 runs/stage9-6 runs/stage9 --output runs/average

Weights and the statistics of batch norm are means over the networks (Izmailov et al. 2018,
"Averaging Weights Leads to Wider Optima"), which therefore must lie in one another's vicinity.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from keras_mmdense.pretrained.networks import load_network, save_network


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", help="names or folders")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    options = parser.parse_args()
    specs, networks = zip(*map(load_network, options.networks), strict=True)
    for name, spec in zip(options.networks, specs, strict=True):
        if spec != specs[0]:
            raise SystemExit(f"{name}: another table or other stems than {options.networks[0]}")
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    networks[0].set_weights([np.mean(x, axis=0) for x in weights])
    save_network(options.output, specs[0], networks[0])


if __name__ == "__main__":
    main()
