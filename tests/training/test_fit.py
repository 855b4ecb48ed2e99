import csv
import dataclasses
import json
import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

from keras_mmdense.data.cache import CachedSong
from keras_mmdense.data.datasets import DatasetSpec
from keras_mmdense.errors import InputError
from keras_mmdense.layers.stft import STFT
from keras_mmdense.models.registry import parameters
from keras_mmdense.pretrained.card import render_card
from keras_mmdense.pretrained.catalog import read_card
from keras_mmdense.pretrained.network_card import NetworkCard
from keras_mmdense.pretrained.networks import NetworkSpec, load_network, write_description
from keras_mmdense.synthesis.songs import write_songs
from keras_mmdense.training import callbacks
from keras_mmdense.training.card import CardWriter
from keras_mmdense.training.checkpoint import load_checkpoint, save_checkpoint
from keras_mmdense.training.config import TrainConfig
from keras_mmdense.training.fit import load_songs, train
from keras_mmdense.training.losses import MagnitudeMSE
from keras_mmdense.training.model import averaged_weights, compiled_model, network_of, start_from
from keras_mmdense.training.run_folder import find_run


@pytest.fixture(scope="module")
def config(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("training")
    small.to_json(folder / "small.json")
    write_songs(folder / "songs", 6, 4, seed=0)
    return TrainConfig(
        (DatasetSpec(folder / "songs"),),
        model=str(folder / "small.json"),
        targets=("vocals", "drums", "bass", "other"),
        epochs=3,
        steps=15,
        batch=2,
        frames=32,
        learning_rate=1e-2,
        sdr_every=3,
    )


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, train(config, load_songs(config, folder / "cache"), folder, "train this")


def test_the_loss_falls_and_the_best_weights_are_kept(trained, config, small):
    folder, rows = trained
    losses = [row["val_loss"] for row in rows]
    assert losses[-1] < 0.97 * losses[0]
    network, model = load_network(folder)
    assert network == NetworkSpec(small, config.targets)
    assert model.count_params() == network.build().count_params()


def test_the_card_tells_data_settings_and_scores(trained, config):
    """Of the epoch that is kept; CARD.md is its rendering."""
    folder, rows = trained
    card, network = read_card(folder), load_network(folder)
    (data,) = card.training_data
    assert (data.name, data.songs) == ("songs", 5) and "1 more song validates" in data.details
    assert data.hours == pytest.approx(5 * 4 / 3600, abs=1e-3)
    made = card.provenance
    assert made.command == "train this" and made.seed == config.seed
    # The run takes seconds, and each number is rounded to a tenth.
    seconds = json.loads((folder / "run.json").read_text())["training_seconds"]
    assert made.minutes == pytest.approx(seconds / 60, abs=0.06) and seconds > 0
    assert f"Keras {keras.__version__}" in made.software and "Loss: mse" in made.details
    assert "epoch 3 of 3" in made.details
    assert made.hours_of_audio == pytest.approx(rows[-1]["audio_seconds"] / 3600, abs=1e-3)
    (table,) = card.scores
    for stem, value in table.systems["separated"].items():
        assert value == pytest.approx(rows[-1][f"val_sdr_{stem}"], abs=0.005)
    text = render_card(folder.name, network.spec, card, parameters(network.model))
    assert (folder / "CARD.md").read_text() == text and "train this" in text
    assert card.license == "unknown" and not card.restricted


def test_a_network_keeps_the_research_terms_of_the_one_it_starts_from(config, small, tmp_path):
    spec = NetworkSpec(small, config.targets)
    origin = NetworkCard("research", "research use only (trained on songs of that kind)")
    write_description(tmp_path, spec, "", origin)
    songs = {"train": [CachedSong("a", np.zeros((4, 441, 2), "int16"))], "valid": []}
    started = dataclasses.replace(config, init=str(tmp_path))
    card = CardWriter(started, spec, songs, 1.0).describe(1, {"vocals": math.nan}, 60.0)
    assert card.restricted and card.terms == origin.terms and not card.scores
    assert f"Started from `{tmp_path}`" in card.provenance.details


def test_the_curve_is_written_as_csv_and_png(trained):
    folder, rows = trained
    written = list(csv.DictReader((folder / "curve.csv").open()))
    assert [float(row["val_loss"]) for row in written] == [row["val_loss"] for row in rows]
    seconds = 2 * 15 * 31 * 1024 / 44100 * np.arange(1, 4)
    found = [float(row["audio_seconds"]) for row in written]
    np.testing.assert_allclose(found, seconds, atol=0.05)
    assert [bool(row["val_sdr_bass"]) for row in written] == [False, False, True]
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_tensorboard_gets_every_epoch(trained):
    (path,) = (trained[0] / "logs" / "validation").iterdir()
    events = EventFileLoader(str(path)).Load()
    found = [
        (value.tag, event.step, float(make_ndarray(value.tensor)))
        for event in events
        for value in event.summary.value
    ]
    rows = trained[1]
    expected = [("epoch_loss", i, pytest.approx(row["val_loss"])) for i, row in enumerate(rows)]
    assert [entry for entry in found if entry[0] == "epoch_loss"] == expected
    assert any(tag == "epoch_sdr_vocals" for tag, _, _ in found)


def test_the_settings_are_kept(trained, config):
    run = json.loads((trained[0] / "run.json").read_text())
    assert config.to_dict().items() <= run.items()
    assert run["backend"] == keras.backend.backend()
    assert run["finished"] and run["epochs_done"] == 3
    assert find_run(trained[0], config) == run
    with pytest.raises(InputError, match="seed is 0, not 1"):
        find_run(trained[0], dataclasses.replace(config, seed=1))


def test_a_run_that_learns_nothing_stops_early(config, tmp_path):
    """The averaged weights, and the statistics estimated for them, are the same every epoch."""
    config = dataclasses.replace(
        config,
        targets=("drums",),
        steps=2,
        optimizer="rmsprop",
        schedule="constant",
        early_stopping=1,
        clip=0.1,
        learning_rate=0.0,
        precision="mixed_float16",
        augment=(),
        sdr_every=0,
    )
    rows = train(config, load_songs(config, tmp_path / "cache"), tmp_path / "run")
    assert len(rows) == 2 and rows[0]["val_loss"] == rows[1]["val_loss"]
    assert find_run(tmp_path / "run", config)["finished"]


def test_a_run_does_not_go_on_with_other_songs(trained, config, tmp_path):
    songs = load_songs(config, tmp_path / "cache")
    assert len(train(config, songs, trained[0])) == 3
    other = {**songs, "valid": songs["train"][:1]}
    with pytest.raises(InputError, match="holds a run on other songs"):
        train(config, other, trained[0])


@pytest.mark.parametrize("sdr_every", [1, 5])
def test_a_run_that_stops_early_keeps_a_network(config, tmp_path, sdr_every):
    """Also if no epoch has measured the SDR, and where no song has one of the stems."""
    songs = load_songs(config, tmp_path / "cache")
    for song in songs["valid"]:
        song.audio = np.array(song.audio)
        song.audio[1] = 0
    changes = {"learning_rate": 0.0, "early_stopping": 1, "sdr_every": sdr_every, "keep": "sdr"}
    config = dataclasses.replace(config, epochs=20, steps=1, targets=("vocals", "drums"), **changes)
    rows = train(config, songs, tmp_path / "run")
    assert len(rows) < 5 and np.isfinite(rows[-1]["val_sdr_vocals"])
    assert np.isnan(rows[-1]["val_sdr_drums"])
    assert load_network(tmp_path / "run").spec.targets == ("vocals", "drums")
    assert repr(train(config, songs, tmp_path / "run")) == repr(rows)


def test_a_loss_that_is_no_number_is_told(config, tmp_path):
    config = dataclasses.replace(config, epochs=1, steps=3, learning_rate=1e38, average=False)
    songs = load_songs(config, tmp_path / "cache")
    for _ in range(2):
        with pytest.raises(InputError, match="not a number"):
            train(config, songs, tmp_path / "run")


def test_the_average_starts_with_the_first_step_and_spans_an_epoch(config):
    config = dataclasses.replace(config, steps=4)
    inner, model = compiled_model(config, network_of(config))
    stems = 0.1 * np.random.default_rng(0).standard_normal((2, 4, 31 * 1024, 2), "float32")
    before = [weight.numpy() for weight in inner.trainable_variables]
    for expected_share in (0.0, 0.75):
        model.train_on_batch(stems.sum(axis=1), stems)
        after = [weight.numpy() for weight in inner.trainable_variables]
        for old, new, average in zip(before, after, averaged_weights(model.optimizer), strict=True):
            expected = expected_share * old + (1 - expected_share) * new
            np.testing.assert_allclose(average.numpy(), expected, atol=1e-6)
        before = after


def test_training_starts_from_a_trained_network(trained, config, tmp_path):
    """The first epoch at a learning rate of 0 keeps the weights; other targets keep the streams."""
    still = dataclasses.replace(
        config, init=str(trained[0]), learning_rate=0.0, epochs=1, steps=1, keep="loss"
    )
    train(still, load_songs(still, tmp_path / "cache"), tmp_path / "run")
    _, before = load_network(trained[0])
    _, after = load_network(tmp_path / "run")
    for one, same in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_allclose(same.numpy(), one.numpy(), atol=1e-7)
    fewer = dataclasses.replace(still, targets=("bass",))
    inner, model = compiled_model(fewer, network_of(fewer))
    start_from(fewer, inner, model)
    for name in ("full_first_conv", "full_block1_dense1_conv"):
        np.testing.assert_array_equal(
            inner.get_layer(name).kernel.numpy(), before.get_layer(name).kernel.numpy()
        )
    with pytest.raises(InputError, match="another table"):
        other = dataclasses.replace(still, model="tiny")
        start_from(other, inner, model)


def test_the_best_epoch_is_that_of_the_highest_sdr_or_the_lowest_loss(tmp_path, monkeypatch):
    kept = []
    validator = SimpleNamespace(spec=None, model=SimpleNamespace(trainable_weights=[]))
    writer, clock = SimpleNamespace(describe=lambda *_: None), callbacks.Clock()
    monkeypatch.setattr(callbacks, "save_network", lambda *_: kept.append(epoch))
    monkeypatch.setattr(callbacks, "render_to_folder", lambda *_: None)
    logs = [
        {"val_loss": 3.0, "val_sdr_bass": 1.0, "val_sdr_drums": 2.0},
        {"val_loss": 1.0},
        {"val_loss": 2.0, "val_sdr_bass": 2.0, "val_sdr_drums": 2.0},
        {"val_loss": 0.5, "val_sdr_bass": 5.0, "val_sdr_drums": -2.0},
    ]
    for keep, expected in (("sdr", [0, 2]), ("loss", [0, 1, 3])):
        kept.clear()
        best = callbacks.KeepBest(tmp_path, validator, keep, writer, clock)
        best.set_model(SimpleNamespace(stop_training=False))
        best.set_params({"epochs": 9})
        for epoch, values in enumerate(logs):
            best.on_epoch_end(epoch, values)
        assert kept == expected


def test_a_checkpoint_gives_back_what_it_took(tmp_path):
    rng = np.random.default_rng(0)
    values = [rng.standard_normal((2, 3)), np.array(2.5), rng.standard_normal(4)]
    variables = [keras.Variable(value.astype("float32")) for value in values]
    save_checkpoint(tmp_path / "c.npz", variables, {"best": float("inf"), "rate": 0.1})
    other = [keras.Variable(0 * value.astype("float32")) for value in values]
    state = load_checkpoint(tmp_path / "c.npz", other)
    assert state == {"best": float("inf"), "rate": 0.1}
    for one, same in zip(variables, other, strict=True):
        np.testing.assert_array_equal(one.numpy(), same.numpy())
    with pytest.raises(InputError, match="another network"):
        load_checkpoint(tmp_path / "c.npz", other[:2])
    (tmp_path / "c.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:200])
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "c.npz", variables)


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
