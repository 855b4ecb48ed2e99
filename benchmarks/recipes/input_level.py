"""Move the level at which a network with logarithmic input expects its mixture.

    python benchmarks/recipes/input_level.py runs/free2 4

The network then computes the masks that it would for a mixture so much louder: the batch norm of
the input subtracts less. Augmentation lowers the mixtures of training, so that songs may be louder
than what a network has seen.
"""

import argparse
import math
from pathlib import Path

from keras_mmdense.pretrained.catalog import read_card
from keras_mmdense.pretrained.networks import load_network, save_network


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("folder", type=Path, help="folder that train wrote, replaced")
    parser.add_argument("decibels", type=float, help="how much louder mixtures seem")
    options = parser.parse_args()
    spec, model = load_network(options.folder)
    mean = model.get_layer("input_bn").moving_mean
    mean.assign(mean - options.decibels * math.log(10) / 20)
    save_network(options.folder, spec, model, read_card(options.folder))


if __name__ == "__main__":
    main()
