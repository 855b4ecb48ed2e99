import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

import keras_mmdense
from keras_mmdense.configs import TABLES, BlendConfig, DenseBlock
from keras_mmdense.errors import InputError
from keras_mmdense.models.blocks import dense_block, tdf
from keras_mmdense.models.receptive_field import context_frames, grid_frames
from keras_mmdense.models.registry import parameters

NAMES = keras_mmdense.list_models()
SUBBANDS = ["mdensenet_cws", "mdensenet_cws_4096"]
CONVOLUTIONAL = ["densenet", "fnn", "mdensenet", *SUBBANDS, "mmdensenet", "tiny"]


def small(name):
    """The table of a network, cut down where only its structure matters."""
    table = TABLES[name]
    if name == "fnn":
        return dataclasses.replace(table, hidden=16)
    if name == "blstm":
        return dataclasses.replace(table, cells=8)
    if name == "blend":
        return dataclasses.replace(table, first=small("fnn"), second=small("blstm"))
    if name == "mmdenselstm":
        low, *others = TABLES["tiny"].branches
        blocks = [dataclasses.replace(low.blocks[0], cells=cells) for cells in (0, 0, 3, 2, 0)]
        branches = (dataclasses.replace(low, blocks=blocks), *others)
        return dataclasses.replace(table, branches=branches, final=TABLES["tiny"].final)
    return table


def build(name, output="mask", **arguments):
    table = small(name)
    if isinstance(table, BlendConfig):
        parts = {"first": table.first, "second": table.second}
        parts = {key: dataclasses.replace(part, output=output) for key, part in parts.items()}
        return keras_mmdense.build(dataclasses.replace(table, **parts), **arguments)
    return keras_mmdense.build(table, output=output, **arguments)


def spectrogram(frames=11, bins=65, channels=2, batch=1):
    rng = np.random.default_rng(0)
    return np.abs(rng.standard_normal((batch, frames, bins, channels))).astype("float32")


def test_parameter_counts_are_the_published_ones():
    mmdensenet = parameters(keras_mmdense.build("mmdensenet"))
    assert mmdensenet == 338_352
    assert 1 / 3 < parameters(keras_mmdense.build("mdensenet")) / mmdensenet < 1 / 2
    assert parameters(keras_mmdense.build("mmdenselstm")) == pytest.approx(1.2e6, rel=0.2)


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [("mdensenet_cws", 558_474, 8), ("mdensenet_cws_4096", 563_882, 16)],
)
def test_the_subband_networks_are_small(name, size, channels):
    model = keras_mmdense.build(name, targets=("vocals", "drums", "bass", "other"))
    assert parameters(model) == size
    assert model.get_layer("full_first_conv").input.shape[2:] == (256, channels)


@pytest.mark.parametrize("field", [{"input": "log"}, {"subbands": 3}, {"adjacent": 2}])
def test_every_dense_net_takes_the_fields_of_the_subband_network(field):
    x = spectrogram(9, 50)
    for name in ("densenet", "mdensenet"):
        model = keras_mmdense.build(name, bins=50, **field)
        assert model(x).shape == x.shape


@pytest.mark.parametrize("field", ["subbands", "adjacent"])
def test_subbands_need_one_full_band_stream(field):
    with pytest.raises(ValueError, match="one full-band branch"):
        keras_mmdense.build("mmdensenet", **{field: 2})


def test_a_tdf_block_sees_all_bins_of_one_frame_and_one_map():
    x = keras.Input((6, 16, 3))
    model = keras.Model(x, tdf(x, 2, 0.9, "tdf"))
    assert [tuple(w.shape) for w in model.trainable_weights][::3] == [(1, 1, 16, 8), (1, 1, 8, 16)]
    for weight in model.trainable_weights:
        weight.assign(np.abs(np.random.default_rng(0).random(weight.shape)))
    a = spectrogram(6, 16, 3)
    b = a.copy()
    b[0, 2, 5, 1] += 1
    changed = np.abs(np.array(model(b)) - np.array(model(a)))[0].max(axis=1)
    assert (changed > 1e-4).nonzero()[0].tolist() == [2]
    assert (changed > 1e-4).nonzero()[1].tolist() == [1]
    difference = np.abs(np.array(model(b)) - np.array(model(a)))[0, 2, :, 1]
    assert (difference > 1e-4).all()


def test_blstm_of_2018_has_30_million_parameters():
    model = keras_mmdense.build("blstm")
    assert model.input_shape == model.output_shape == (None, None, 2049, 2)
    assert model.get_layer("input_crop").output.shape[2] == 1487
    lstms = 8 * 500 * (2 * 1487 + 501) + 2 * 8 * 500 * (1000 + 501)
    assert parameters(model) == lstms + 1001 * 2 * 2049 + 2 * 2 * 1487
    assert parameters(model) == pytest.approx(30.0e6, rel=0.01)


def test_a_blend_has_the_parameters_of_its_parts():
    size = {name: parameters(build(name)) for name in ("fnn", "blstm", "blend")}
    assert size["blend"] == size["fnn"] + size["blstm"]


@pytest.mark.parametrize("name", NAMES)
def test_output_is_finite_and_shaped_like_the_input(name):
    x = spectrogram()
    y = build(name, bins=65)(x)
    assert y.shape == x.shape
    assert np.isfinite(y).all()


@pytest.mark.parametrize("name", NAMES)
def test_several_sources_have_an_axis(name):
    x = spectrogram(batch=2)
    model = build(name, bins=65, targets=("vocals", "drums", "bass"))
    assert model(x).shape == (2, 3, 11, 65, 2)
    assert model.output_shape == (None, 3, None, 65, 2)


@pytest.mark.parametrize("bins", [513, 1025, 2049])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_bins_and_channels(bins, channels):
    x = spectrogram(9, bins, channels)
    assert keras_mmdense.build("tiny", bins=bins, channels=channels)(x).shape == x.shape


@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_frames(name):
    model = build(name, bins=33)
    for frames in (1, 7, 8, 31):
        x = spectrogram(frames, 33)
        assert model(x).shape == x.shape
    assert build(name, bins=33, frames=7).output_shape == (None, 7, 33, 2)


@pytest.mark.parametrize(
    ("name", "output"), [*((name, "mask") for name in NAMES), ("tiny", "magnitude")]
)
def test_a_step_reaches_every_trainable_weight(name, output):
    keras.utils.set_random_seed(1)
    model = build(name, bins=33, targets=("a", "b"), output=output)
    x = spectrogram(16, 33, batch=2)
    before = [np.array(weight) for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.train_on_batch(x, 0.3 * np.stack([x, x], axis=1))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        # A convolution's bias before batch norm cancels; all else must move.
        moved = np.abs(np.array(weight) - old).max()
        assert moved > 0, weight.path
        assert np.isfinite(weight).all(), weight.path


@pytest.mark.parametrize("name", NAMES)
def test_save_and_load_give_equal_output(name, tmp_path):
    model = build(name, bins=33, targets=("a", "b"))
    x = spectrogram(13, 33)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("name", ["tiny", "fnn", "blstm", "blend", "mmdenselstm"])
def test_a_mask_never_exceeds_the_mixture_and_a_magnitude_is_never_negative(name):
    x = spectrogram()
    masked = np.array(build(name, bins=65)(x))
    assert (masked >= 0).all() and (masked <= x).all()
    assert (np.array(build(name, bins=65, output="magnitude")(x)) >= 0).all()


def test_layer_names_are_deterministic():
    names = [[layer.name for layer in keras_mmdense.build("mmdensenet").layers] for _ in range(2)]
    assert names[0] == names[1]
    assert {"low_down2_dense1_conv", "high_bottleneck_dense3_bn", "full_up3_up_conv"} <= set(
        names[0]
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["tiny", "fnn", "blstm", "blend", "mmdenselstm"])
def test_output_is_float32_under_mixed_precision(name, policy):
    keras.config.set_dtype_policy(policy)
    try:
        y = build(name, bins=65, targets=("a", "b"))(spectrogram())
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    assert np.isfinite(y).all()


def influence(name, frames_after):
    """How far a change of a network's first frames changes each frame of its output."""
    keras.utils.set_random_seed(0)
    grid = grid_frames(small(name))
    model = build(name, bins=17, channels=1)
    x = spectrogram(grid + frames_after, 17, 1)
    changed = x.copy()
    changed[:, :grid] += 5
    run = model.predict_on_batch
    difference = np.abs(run(changed) - run(x))[0].max(axis=(1, 2))
    return difference[:grid], difference[grid:]


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_nothing_beyond_the_context_changes_the_output(name):
    context = context_frames(small(name))
    near, far = influence(name, 2 * context)
    assert near.max() > 1e-3
    assert far[context:].max() == 0


@pytest.mark.parametrize("name", ["blstm", "blend", "mmdenselstm"])
def test_little_beyond_the_context_changes_the_output_of_an_lstm(name):
    context = context_frames(small(name))
    near, far = influence(name, context + 16)
    assert near.max() > 1e-3
    assert far[context:].max() < 1e-5


def test_the_context_of_a_blend_is_the_longer_one():
    contexts = {name: context_frames(TABLES[name]) for name in ("fnn", "blstm", "blend")}
    assert contexts == {"fnn": 3, "blstm": 256, "blend": 256}
    assert grid_frames(TABLES["mmdenselstm"]) == 16


def test_a_custom_table(tmp_path):
    config = keras_mmdense.model_config("tiny")
    config.to_json(tmp_path / "mine.json")
    x = spectrogram()
    for own in (config, str(tmp_path / "mine.json")):
        assert keras_mmdense.build(own, bins=65)(x).shape == x.shape


def test_overrides_replace_fields_of_the_table():
    model = keras_mmdense.build("tiny", bins=65, bn_momentum=0.5, output="magnitude")
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.5}


def test_list_models_takes_a_pattern():
    assert keras_mmdense.list_models("mm*") == ["mmdenselstm", "mmdensenet"]
    assert sorted(NAMES) == NAMES
    assert {*CONVOLUTIONAL, "blend", "blstm", "mmdenselstm"} == set(NAMES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet"}, "unknown model 'resnet'.*mmdensenet"),
        ({"name": "missing.json"}, "missing.json"),
        ({"targets": "vocals"}, "vocals"),
        ({"targets": ()}, "received"),
        ({"targets": ("a", "a")}, "distinct"),
        ({"bins": 3}, "received 3"),
        ({"frames": 0}, "received 0"),
        ({"channels": 0}, "received 0"),
        ({"color": "blue"}, "unknown table field 'color'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_mmdense.build(**{"name": "tiny", **arguments})


def test_unknown_names_are_bad_input():
    with pytest.raises(InputError):
        keras_mmdense.model_config("resnet")


def test_dense_block_gives_its_last_maps_only():
    x = keras.Input((8, 8, 5))
    y = dense_block(x, DenseBlock(3, 4), (3, 3), 0.9, "block")
    assert y.shape == (None, 8, 8, 3)
    weights = sum(ops.size(w) for w in keras.Model(x, y).trainable_weights)
    assert int(weights) == sum(2 * c + 9 * c * 3 + 3 for c in (5, 8, 11, 14))


def test_an_lstm_adds_one_map_to_a_dense_block():
    x = keras.Input((8, 10, 5))
    y = dense_block(x, DenseBlock(3, 1, cells=4), (3, 3), 0.9, "block")
    assert y.shape == (None, 8, 10, 4)
    weights = sum(ops.size(w) for w in keras.Model(x, y).trainable_weights)
    dense, one_map = 2 * 5 + 9 * 5 * 3 + 3, 2 * 3 + 3 + 1
    lstm, back = 2 * 4 * 4 * (10 + 4 + 1), (8 + 1) * 10
    assert int(weights) == dense + one_map + lstm + back
