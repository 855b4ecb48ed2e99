"""Networks in steps against the same networks on the whole song."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_mmdense.configs import TABLES, Conv
from keras_mmdense.models.receptive_field import context_frames
from keras_mmdense.models.stepwise import can_step, stepwise
from keras_mmdense.pretrained.networks import NetworkSpec

FRAMES = 16
SIZES = {"n_fft": 128, "hop": 64}
TINY = TABLES["tiny"]
WIDE = dataclasses.replace(TINY, output_kernel=(5, 3), final_kernel=(1, 3))
FIRST = dataclasses.replace(TINY.branches[0], first=Conv((7, 3), 4))
WIDE_FIRST = dataclasses.replace(TINY, branches=(FIRST, *TINY.branches[1:]))


def network(config, targets=("vocals", "drums")):
    """A network with statistics of batch norm that a trained one could have."""
    spec = NetworkSpec(dataclasses.replace(config, **SIZES), targets)
    model, rng = spec.build(), np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [x.shape for x in layer.get_weights()]
            layer.set_weights([rng.uniform(0.5, 1.5, x).astype("float32") for x in shapes])
    return spec, model


@pytest.mark.parametrize(
    ("config", "behind"),
    [
        pytest.param(TINY, 0, id="tiny"),
        pytest.param(TINY, 3, id="tiny, late"),
        pytest.param(WIDE, 0, id="wide kernels"),
        pytest.param(WIDE, 3, id="wide kernels, late"),
        pytest.param(WIDE_FIRST, 0, id="wide first kernel"),
        pytest.param(WIDE_FIRST, 3, id="wide first kernel, late"),
        pytest.param(TABLES["mdensenet_cws"], 0, id="mdensenet_cws"),
        pytest.param(TABLES["mdensenet_cws_4096"], 1, id="mdensenet_cws_4096, late"),
        pytest.param(TABLES["mmdensenet"], 0, id="mmdensenet"),
        pytest.param(TABLES["densenet"], 0, id="densenet"),
    ],
)
def test_steps_join_to_the_whole(config, behind):
    spec, model = network(config)
    steps, delay = stepwise(model, spec.config, FRAMES, behind)
    music = np.random.default_rng(1).random((1, 12 * FRAMES, spec.bins, 2), "float32")
    before, after = 2 * context_frames(spec.config), -(-delay // FRAMES) * FRAMES
    before = -(-before // FRAMES) * FRAMES
    silence = np.zeros((1, before + after, spec.bins, 2), "float32")
    song = np.concatenate([silence[:, :before], music, silence[:, :after]], axis=1)
    given = np.roll(song, behind, axis=1)  # its end is silent
    parts = [np.array(steps(x)) for x in np.split(given, song.shape[1] // FRAMES, axis=1)]
    late = np.concatenate(parts, axis=2)[:, :, before + delay :][:, :, : music.shape[1]]
    song = np.concatenate([song, 0 * song], axis=1)
    whole = np.array(model(song))[:, :, before:][:, :, : music.shape[1]]
    np.testing.assert_allclose(late, whole, atol=1e-5)
    assert np.abs(whole).max() > 0.1
    assert delay <= context_frames(spec.config) + 2 ** len(config.branches[0].blocks)


def test_the_song_does_not_see_steps_before_it_was_reset():
    spec, model = network(TINY)
    steps, _ = stepwise(model, spec.config, FRAMES)
    x = np.random.default_rng(1).random((1, FRAMES, spec.bins, 2), "float32")
    first = np.array(steps(x))
    assert np.abs(np.array(steps(x)) - first).max() > 1e-3
    for variable in steps.non_trainable_variables:
        if variable.name == "state":
            variable.assign(0 * variable)
    np.testing.assert_array_equal(steps(x), first)


@pytest.mark.parametrize("name", ["fnn", "blstm", "blend", "mmdenselstm"])
def test_networks_that_look_ahead_without_bound_take_no_steps(name):
    assert not can_step(TABLES[name])
    with pytest.raises(ValueError, match=f"{TABLES[name].name} takes no steps"):
        stepwise(keras.Model(), TABLES[name], FRAMES)


@pytest.mark.parametrize("frames", [0, 4, 12])
def test_steps_must_fit_the_coarsest_scale(frames):
    spec, model = network(TABLES["mdensenet"])
    with pytest.raises(ValueError, match=f"no steps of {frames} frames"):
        stepwise(model, spec.config, frames)
