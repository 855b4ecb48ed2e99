import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_mmdense.separation.windows import WindowCutter


@given(
    cuts=st.lists(st.integers(0, 200), max_size=6),
    samples=st.integers(1, 200),
    core=st.integers(1, 60),
    context=st.integers(0, 30),
)
def test_cutting_and_keeping_gives_the_signal_back(cuts, samples, core, context):
    cutter = WindowCutter(core, context, (2,))
    x = np.arange(1, 2 * samples + 1, dtype="float32").reshape(samples, 2)
    kept = []
    for block in np.split(x, sorted(cut for cut in cuts if cut <= samples)):
        kept += list(cutter.push(block))
    kept += list(cutter.finish())
    assert all(window.shape == (core + 2 * context, 2) for window, _ in kept)
    parts = [window[context : context + keep] for window, keep in kept]
    np.testing.assert_array_equal(np.concatenate(parts), x)


def test_outside_the_signal_lies_silence():
    cutter = WindowCutter(4, 3, (1,))
    windows = [*cutter.push(np.ones((5, 1), "float32")), *cutter.finish()]
    np.testing.assert_array_equal(windows[0][0][:, 0], [0, 0, 0, 1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(windows[1][0][:, 0], [1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    assert [keep for _, keep in windows] == [4, 1]


def test_nothing_in_nothing_out():
    cutter = WindowCutter(4, 3, (1,))
    assert not [*cutter.push(np.zeros((0, 1), "float32")), *cutter.finish()]
