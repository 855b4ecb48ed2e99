"""Run by test_backends.py: opens .keras files in a fresh process and runs them."""

import sys
from pathlib import Path

import keras
import numpy as np

import keras_mmdense  # noqa: F401 (registers the layers)


def main(folder):
    paths = sorted(Path(folder).glob("*.keras"))
    assert paths
    for path in paths:
        model = keras.saving.load_model(path)
        expected = np.load(path.with_suffix(".npz"))
        output = model.predict_on_batch(expected["x"])
        assert np.abs(expected["y"]).max() > 1e-3
        np.testing.assert_allclose(output, expected["y"], atol=1e-3, err_msg=path.name)


if __name__ == "__main__":
    main(sys.argv[1])
