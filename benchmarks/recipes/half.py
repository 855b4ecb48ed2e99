"""Store the weights of a trained network in half precision.

    python benchmarks/recipes/half.py runs/mmdensenet_vocals mmdensenet_vocals

Writes the network to another folder, where it takes half the space. Loaded, its weights are in
single precision again.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_mmdense.pretrained.networks import load_network, save_network


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="name or folder")
    parser.add_argument("output", type=Path, help="folder to write")
    options = parser.parse_args()
    save_network(options.output, *load_network(options.network), dtype="float16")


if __name__ == "__main__":
    main()
