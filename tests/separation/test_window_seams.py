"""Windows of the separator against the whole, for networks with and without LSTMs."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_mmdense.configs import TABLES, DenseBlock
from keras_mmdense.pretrained.networks import NetworkSpec
from keras_mmdense.separation.separator import Separator

FRONT = {"n_fft": 512, "hop": 256}
FNN = dataclasses.replace(TABLES["fnn"], hidden=16, **FRONT)
BLSTM = dataclasses.replace(TABLES["blstm"], cells=8, **FRONT)
BLEND = dataclasses.replace(TABLES["blend"], first=FNN, second=BLSTM, **FRONT)
CWS = dataclasses.replace(TABLES["mdensenet_cws"], **FRONT)
LONG = dataclasses.replace(TABLES["mdensenet_cws_4096"], n_fft=1024, hop=256)
DENSE_LSTM = dataclasses.replace(TABLES["tiny"], final=DenseBlock(4, 1, cells=3), **FRONT)


@pytest.mark.parametrize(
    ("table", "tolerance"),
    [(FNN, 0), (CWS, 2e-6), (LONG, 2e-6), (BLSTM, 1e-4), (BLEND, 1e-4), (DENSE_LSTM, 1e-4)],
)
def test_windows_join_to_the_whole(table, tolerance):
    keras.utils.set_random_seed(1)
    network = NetworkSpec(table, ("vocals", "drums"))
    model = network.build()
    song = 0.1 * np.random.default_rng(0).standard_normal((256 * 600, 2)).astype("float32")
    windows, whole = (
        Separator.from_networks([(network, model)], window=window).separate(song, 44100)
        for window in (256, 640)
    )
    assert set(whole) == {"vocals", "drums", "remainder"}
    for name, stem in whole.items():
        assert np.abs(windows[name] - stem).max() <= tolerance, name
    assert np.abs(whole["vocals"]).max() > 0.01
