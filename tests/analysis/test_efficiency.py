"""Counting of multiply-adds against hand computation and TensorFlow's profiler, and the table."""

import dataclasses
import io
import json

import keras
import numpy as np
import pytest
from keras import layers
from rich.console import Console
from typer.testing import CliRunner

import keras_mmdense
import keras_mmdense.cli.efficiency
from keras_mmdense.analysis.efficiency import (
    Cost,
    efficiency,
    efficiency_table,
    multiply_adds,
    per_second,
)
from keras_mmdense.analysis.run_folders import Training, read_training
from keras_mmdense.cli.common import app
from keras_mmdense.configs import TABLES
from keras_mmdense.pretrained.networks import NetworkSpec, save_network


def model_of(*stack, sizes=(8, 2)):
    x = inputs = keras.Input((None, *sizes))
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("stack", "by_hand"),
    [
        ([layers.Conv2D(5, (3, 4), padding="same")], 6 * 8 * 3 * 4 * 2 * 5),
        ([layers.Conv2D(5, 3, strides=2, padding="same")], 3 * 4 * 3 * 3 * 2 * 5),
        ([layers.Conv2D(4, 1, groups=2)], 6 * 8 * 1 * 1 * 1 * 4),
        ([layers.Conv2DTranspose(7, 2, strides=2)], 6 * 8 * 2 * 2 * 2 * 7),
        ([layers.Dense(3)], 6 * 8 * 2 * 3),
        ([layers.Reshape((-1, 16)), layers.LSTM(5)], 6 * 4 * 5 * (16 + 5)),
        (
            [layers.Reshape((-1, 16)), layers.Bidirectional(layers.LSTM(5, return_sequences=True))],
            2 * 6 * 4 * 5 * (16 + 5),
        ),
        ([layers.BatchNormalization(), layers.ReLU(), layers.AveragePooling2D(2)], 0),
    ],
)
def test_each_layer_counts_as_by_hand(stack, by_hand):
    assert multiply_adds(model_of(*stack), frames=6) == by_hand


def test_nested_models_and_layers_used_twice_count_every_time():
    inner = model_of(layers.Conv2D(2, 3, padding="same"))
    shared = layers.Conv2D(2, 1)
    one, two = 6 * 8 * 9 * 2 * 2, 6 * 8 * 2 * 2
    assert multiply_adds(model_of(inner, shared, shared), frames=6) == one + 2 * two


def test_unknown_layers_with_weights_are_refused():
    with pytest.raises(ValueError, match="no count for EinsumDense"):
        multiply_adds(model_of(layers.EinsumDense("abcd,de->abce", (None, 8, 3))))


@pytest.mark.parametrize("name", ["tiny", "mmdensenet"])
def test_convolutions_count_as_the_profiler_of_tensorflow_counts_them(name):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the profiler is TensorFlow's")
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2 as freeze,
    )

    profiler, frames = tf.compat.v1.profiler, 16
    model = keras_mmdense.build(name)
    call = tf.function(lambda x: model(x, training=False))
    graph = freeze(call.get_concrete_function(tf.TensorSpec((1, frames, 1025, 2)))).graph
    builder = profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output()
    options = options.with_accounted_types(["Conv2D", "Conv2DBackpropInput"]).build()
    flops = profiler.profile(graph, cmd="op", options=options).total_float_ops
    assert multiply_adds(model, frames) == flops / 2 > 0


def test_a_second_of_audio_has_rate_over_hop_frames():
    network = NetworkSpec(TABLES["tiny"], ("vocals",))
    model = network.build()
    frames = 16 * network.config.hop / network.config.sample_rate
    assert per_second(network, model) * frames == pytest.approx(multiply_adds(model, 16), rel=1e-9)


def test_training_seconds_are_for_equal_data(monkeypatch):
    """Runs of one network are pooled, a network of two stems stands by itself."""
    monkeypatch.setattr("keras_mmdense.analysis.efficiency.list_models", lambda: ["tiny"])

    def run(name, sources, seconds, audio):
        settings = {"training_seconds": seconds, "audio_seconds": audio}
        return Training(name, NetworkSpec(TABLES["tiny"], sources), settings, [])

    runs = [run("a", ("vocals",), 30, 100), run("b", ("bass",), 90, 300)]
    costs = efficiency([*runs, run("c", ("vocals", "bass"), 50, 100), run("d", ("drums",), 0, 0)])
    assert [cost.name for cost in costs] == ["tiny", "tiny (c)"]
    assert [cost.training for cost in costs] == [pytest.approx(0.3), pytest.approx(0.5)]
    assert costs[1].parameters > costs[0].parameters == 4702


def test_a_blend_takes_as_long_as_its_parts(monkeypatch):
    first = dataclasses.replace(TABLES["fnn"], hidden=8, n_fft=64, hop=32)
    second = dataclasses.replace(TABLES["blstm"], cells=4, n_fft=64, hop=32)
    blend = dataclasses.replace(TABLES["blend"], first=first, second=second, n_fft=64, hop=32)
    module = "keras_mmdense.analysis.efficiency"
    monkeypatch.setattr(f"{module}.list_models", lambda: ["blend"])
    monkeypatch.setattr(f"{module}.model_config", lambda name: blend)
    curve = [{"audio_seconds": 40.0}]
    runs = [
        Training(table.name, NetworkSpec(table, ("vocals",)), {"training_seconds": seconds}, curve)
        for table, seconds in ((first, 20), (second, 60))
    ]
    assert efficiency(runs)[0].training == pytest.approx(20 / 40 + 60 / 40)
    assert efficiency(runs[:1])[0].training is None


def text(table):
    console = Console(width=80, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


def test_the_table_is_relative_to_blend():
    costs = [Cost("blend", 1000, 4e9, 0.5), Cost("small", 36, 1e9, 0.1), Cost("none", 10, 2e9)]
    rows = [line.split() for line in text(efficiency_table(costs)).splitlines()]
    assert ["small", "36", "3.6", "1.000", "25.0", "360", "20.0"] in rows
    assert ["none", "10", "1.0", "2.000", "50.0", "-", "-"] in rows
    plain = text(efficiency_table(costs[1:]))
    assert "%" not in plain and ["small", "36", "1.000", "360"] in [
        line.split() for line in plain.splitlines()
    ]


def test_a_run_is_read_as_train_wrote_it_and_the_command_shows_it(tmp_path, monkeypatch):
    network = NetworkSpec(TABLES["tiny"], ("vocals",))
    save_network(tmp_path, network, network.build())
    settings = {"epochs": 2, "training_seconds": 12.5, "audio_seconds": 60.0}
    (tmp_path / "run.json").write_text(json.dumps(settings))
    (tmp_path / "curve.csv").write_text(
        "epoch,audio_seconds,loss,val_loss\n1,30.0,2.0,\n2,60.0,1.0,3.0\n"
    )
    run = read_training(tmp_path)
    assert (run.spec, run.seconds, run.audio_seconds) == (network, 12.5, 60.0)
    assert run.curve[1] == {"epoch": 2, "audio_seconds": 60, "loss": 1, "val_loss": 3}
    assert "val_loss" not in run.curve[0]
    monkeypatch.setattr("keras_mmdense.analysis.efficiency.list_models", lambda: ["tiny"])
    shown = CliRunner().invoke(app, ["efficiency", str(tmp_path)], catch_exceptions=False).output
    assert {"tiny", "4,702", "750"} <= set(shown.split())
    (tmp_path / "run.json").unlink()
    assert read_training(tmp_path).seconds is None
    assert np.isclose(read_training(tmp_path).audio_seconds, 60)
