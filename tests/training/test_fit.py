import csv
import json

import keras
import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.data.synth import write_songs
from keras_mmdense.layers.stft import STFT
from keras_mmdense.training.fit import load_songs, train
from keras_mmdense.training.losses import MagnitudeMSE
from keras_mmdense.weights import Network, load_network


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    write_songs(folder / "songs", 6, 4, seed=0)
    network = Network(TABLES["tiny"], ("vocals", "drums", "bass", "other"))
    songs = load_songs([folder / "songs"], network, folder / "cache")
    sizes = {"epochs": 3, "steps": 15, "batch": 2, "frames": 32, "learning_rate": 3e-3}
    history = train(songs, network, folder / "run", **sizes)
    return folder / "run", network, history


def test_the_loss_falls_and_the_best_weights_are_kept(trained):
    folder, network, history = trained
    losses = history.history["val_loss"]
    assert losses[-1] < 0.97 * losses[0]
    loaded_network, model = load_network(folder)
    assert loaded_network == network
    assert model.count_params() == network.build().count_params()


def test_the_curve_is_written_as_csv_and_png(trained):
    folder, _, history = trained
    rows = list(csv.DictReader((folder / "curve.csv").open()))
    assert [float(row["val_loss"]) for row in rows] == history.history["val_loss"]
    seconds = 2 * 15 * 31 * 1024 / 44100
    np.testing.assert_allclose(
        [float(row["audio_seconds"]) for row in rows], seconds * np.arange(1, 4), atol=0.05
    )
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_settings_are_kept(trained):
    settings = json.loads((trained[0] / "run.json").read_text())
    assert settings["epochs"] == 3 and settings["batch"] == 2
    assert settings["backend"] == keras.backend.backend()


def test_the_loss_is_the_mean_squared_error_of_magnitudes_of_each_example():
    rng = np.random.default_rng(0)
    target = rng.standard_normal((2, 3, 4000, 2)).astype("float32")
    guess = rng.random((2, 3, 9, 257, 2), "float32")
    real, imag = STFT(512, 512 // 2)(target.reshape(6, 4000, 2))
    magnitude = np.hypot(real, imag).reshape(2, 3, -1, 257, 2)
    guess = rng.random(magnitude.shape, "float32")
    loss = MagnitudeMSE(512, 256, reduction=None)(target, guess)
    np.testing.assert_allclose(loss, ((guess - magnitude) ** 2).mean(axis=(1, 2, 3, 4)), rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_loss_of_one_source(channels):
    target = np.random.default_rng(0).standard_normal((2, 1, 2048, channels)).astype("float32")
    real, imag = STFT(512, 256)(target[:, 0])
    assert float(MagnitudeMSE(512, 256)(target, np.hypot(real, imag))) == pytest.approx(0, abs=1e-8)


def test_the_loss_has_a_config():
    loss = MagnitudeMSE.from_config(MagnitudeMSE(512, 128).get_config())
    assert (loss.n_fft, loss.hop) == (512, 128)
