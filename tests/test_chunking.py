import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_mmdense.chunking import Windows


@given(samples=st.integers(1, 200), core=st.integers(1, 60), context=st.integers(0, 30))
def test_cutting_and_keeping_gives_the_waveform_back(samples, core, context):
    windows = Windows(core, context)
    x = np.arange(1, 2 * samples + 1, dtype="float32").reshape(samples, 2)
    out = np.full((1, samples, 2), np.nan, "float32")
    for index in range(windows.count(samples)):
        window = windows.cut(x, index)
        assert window.shape == (core + 2 * context, 2)
        windows.keep(window[None], out, index)
    np.testing.assert_array_equal(out[0], x)


def test_outside_the_waveform_lies_silence():
    window = Windows(4, 3).cut(np.ones((5, 1), "float32"), 0)
    np.testing.assert_array_equal(window[:, 0], [0, 0, 0, 1, 1, 1, 1, 1, 0, 0])
