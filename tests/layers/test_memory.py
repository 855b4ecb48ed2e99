import keras
import numpy as np
import pytest

from keras_mmdense.layers.memory import Delay, Remember


def steps(layer, x, size, axis):
    return [np.array(layer(part)) for part in np.split(x, x.shape[axis] // size, axis=axis)]


@pytest.mark.parametrize("frames", [1, 4, 11])
@pytest.mark.parametrize("axis", [1, 2])
def test_every_step_sees_the_last_frames_before_it(frames, axis):
    x = np.random.default_rng(0).random((1, 12, 12, 3), "float32")
    before = np.zeros([frames if i == axis else n for i, n in enumerate(x.shape)], "float32")
    whole = np.concatenate([before, x], axis=axis)
    for i, seen in enumerate(steps(Remember(frames, axis), x, 4, axis)):
        np.testing.assert_array_equal(
            seen, np.take(whole, range(4 * i, 4 * i + 4 + frames), axis=axis)
        )


@pytest.mark.parametrize("frames", [1, 4, 5, 11])
def test_delay_is_the_signal_some_frames_later(frames):
    x = np.random.default_rng(0).random((1, 20, 3), "float32")
    late = np.concatenate(steps(Delay(frames), x, 5, 1), axis=1)
    np.testing.assert_array_equal(late[:, frames:], x[:, :-frames])
    assert not late[:, :frames].any()


def test_memory_passes_through_stateless_calls():
    inputs = keras.Input(batch_shape=(1, 4, 2))
    model = keras.Model(inputs, Remember(2)(inputs))
    x = np.arange(8, dtype="float32").reshape(1, 4, 2)
    y, (state,) = model.stateless_call([], [np.ones((1, 2, 2), "float32")], x)
    np.testing.assert_array_equal(y, np.concatenate([np.ones((1, 2, 2)), x], axis=1))
    np.testing.assert_array_equal(state, x[:, 2:])
    assert not np.array(model.non_trainable_variables[0]).any()


@pytest.mark.parametrize("shape", [(2, 4, 3), (None, 4, 3), (1, None, 3), (1, 4, None)])
def test_only_a_batch_of_one_of_fixed_shape_can_be_remembered(shape):
    with pytest.raises(ValueError, match="batch of one"):
        Remember(2).build(shape)


def test_no_frames_cannot_be_remembered():
    with pytest.raises(ValueError, match="received 0"):
        Remember(0)
