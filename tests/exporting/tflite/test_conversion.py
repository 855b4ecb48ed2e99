"""Networks as the TFLite converter gets them: batch norm merged, few maps two bins at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mmdense import build
from keras_mmdense.exporting.tflite import conversion
from keras_mmdense.pretrained import networks


@pytest.mark.parametrize("scale", [1, 1e-3, -1])
def test_batch_norm_is_merged_exactly(folder, scale):
    _, model = networks.load_network(folder)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.gamma.assign(scale * norm.gamma)
    merged = conversion.merge_batch_norm(model)
    x = np.random.default_rng(0).random((1, 21, 1025, 2), "float32")
    assert not any(isinstance(x, keras.layers.BatchNormalization) for x in merged.layers)
    np.testing.assert_allclose(merged(x), model(x, training=False), rtol=0, atol=2e-6)


def test_maps_before_a_convolution_have_the_same_range(folder):
    _, model = networks.load_network(folder)
    rng = np.random.default_rng(0)
    norms = {
        x.name: x
        for x in model.layers
        if isinstance(x, keras.layers.BatchNormalization) and "_dense" in x.name
    }
    for norm in norms.values():
        signs = rng.choice([-1, 1], norm.gamma.shape)
        norm.gamma.assign(signs * rng.uniform(0.2, 5, norm.gamma.shape))
        norm.beta.assign(rng.uniform(0, 2, norm.beta.shape))
    merged = conversion.merge_batch_norm(model)
    for name, norm in norms.items():
        kernel, shift = (x.reshape(-1) for x in merged.get_layer(name).get_weights())
        mean, deviation = np.array(norm.moving_mean), np.sqrt(norm.moving_variance + norm.epsilon)
        ends = [kernel * (mean + side * 7 * deviation) + shift for side in (-1, 1)]
        np.testing.assert_allclose(np.max(ends, axis=0), 1, rtol=1e-4)


def test_capped_maps_end_at_six_times_their_range(folder):
    _, model = networks.load_network(folder)
    merged = conversion.merge_batch_norm(model, capped=True)
    relus = [x for x in merged.layers if x.name.endswith("_relu")]
    assert relus and all(x.max_value == 6 for x in relus if "_dense" in x.name)
    x = np.random.default_rng(0).random((1, 21, 1025, 2), "float32")
    np.testing.assert_allclose(merged(x), model(x, training=False), rtol=0, atol=1e-5)
    assert np.abs(merged(1e4 * x) - model(1e4 * x, training=False)).max() > 1


def test_batch_norm_over_bins_stays():
    model = build("tiny", input="log", bins=65)
    for weight in model.get_layer("input_bn").weights:
        weight.assign(np.random.default_rng(len(weight.path)).uniform(0.5, 1.5, weight.shape))
    merged = conversion.merge_batch_norm(model)
    norms = [x for x in merged.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert [norm.name for norm in norms] == ["input_bn"]
    x = np.random.default_rng(0).random((1, 9, 65, 2), "float32")
    np.testing.assert_allclose(merged(x), model(x, training=False), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("kernel", "frames", "bins", "maps", "strides"),
    [
        *[(kernel, 9, 64, 6, (1, 2)) for kernel in [(3, 3), (3, 4), (1, 2), (1, 1)]],
        *[(kernel, 9, 65, 6, (1, 2)) for kernel in [(3, 3), (3, 5), (1, 1)]],
        *[(kernel, 9, 65, 6, (1, 1)) for kernel in [(3, 4), (1, 2)]],
        ((3, 3), 9, 64, 8, (1, 1)),
        ((3, 3), None, 64, 6, (1, 1)),
    ],
)
def test_few_maps_are_computed_for_two_bins_at_once(kernel, frames, bins, maps, strides):
    x = keras.Input((frames, bins, 5), name="magnitude")
    model = keras.Model(x, keras.layers.Conv2D(maps, kernel, padding="same")(x))
    kernel, bias = (np.random.default_rng(0).normal(size=x.shape) for x in model.weights)
    model.set_weights([kernel, bias])
    merged = conversion.merge_batch_norm(model)
    noise = np.random.default_rng(1).normal(size=(2, 9, bins, 5)).astype("float32")
    np.testing.assert_allclose(merged(noise), model(noise), rtol=0, atol=1e-4)
    spec = tf.TensorSpec((2, frames, bins, 5))
    graph = tf.function(merged).get_concrete_function(spec).graph
    found = [x.get_attr("strides")[1:3] for x in graph.get_operations() if x.type == "Conv2D"]
    assert list(map(tuple, found)) == [strides]


@pytest.mark.parametrize(
    "options", [{"activation": "relu"}, {"use_bias": False}, {"dilation_rate": 2}]
)
def test_other_convolutions_of_few_maps_stay_as_they_are(options):
    x = keras.Input((9, 64, 5), name="magnitude")
    model = keras.Model(x, keras.layers.Conv2D(6, 3, padding="same", **options)(x))
    noise = np.random.default_rng(1).normal(size=(2, 9, 64, 5)).astype("float32")
    merged = conversion.merge_batch_norm(model)
    np.testing.assert_allclose(merged(noise), model(noise), rtol=0, atol=1e-5)
