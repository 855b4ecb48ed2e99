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
    (spec, network), *others = (load_network(name) for name in options.networks)
    for name, (other, _) in zip(options.networks[1:], others, strict=True):
        if other != spec:
            raise SystemExit(f"{name}: another table or other stems than {options.networks[0]}")
    weights = [one.get_weights() for one in (network, *(other for _, other in others))]
    network.set_weights([np.mean(x, axis=0) for x in zip(*weights, strict=True)])
    save_network(options.output, spec, network)


if __name__ == "__main__":
    main()
