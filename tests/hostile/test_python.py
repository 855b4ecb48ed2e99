"""Arrays and rates that a program may give: scaled or refused, never taken for something else."""

import concurrent.futures

import numpy as np
import pytest

from keras_mmdense.errors import InputError

FLOATS = np.random.default_rng(0).uniform(-0.5, 0.5, (3000, 2)).astype("float32")
INT16, INT32 = (
    np.round(FLOATS * scale).astype(kind) for scale, kind in ((2**15, "int16"), (2**31, "int32"))
)
RATE = 8000

ARRAYS = {
    "int16": (INT16, FLOATS),
    "int32": (INT32, FLOATS),
    "float64": (FLOATS.astype("float64"), FLOATS),
    "float16": (FLOATS.astype("float16"), FLOATS),
    "big-endian": (FLOATS.astype(">f4"), FLOATS),
    "Fortran order": (np.asfortranarray(FLOATS), FLOATS),
    "reversed": (FLOATS[::-1], FLOATS[::-1]),
    "strided": (FLOATS[::2], FLOATS[::2]),
    "a list": (FLOATS.tolist(), FLOATS),
    "mono": (FLOATS[:, 0], FLOATS[:, 0]),
    "one sample": (FLOATS[:1], FLOATS[:1]),
}


@pytest.mark.parametrize(("given", "expected"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_are_separated(separator, given, expected):
    stems = separator.separate(given, RATE)
    assert {stem.shape for stem in stems.values()} == {expected.shape}
    assert {str(stem.dtype) for stem in stems.values()} == {"float32"}
    np.testing.assert_allclose(sum(stems.values()), expected, atol=1e-3)


REFUSED = {
    "int8": INT16.astype("int8"),
    "uint8": INT16.astype("uint8"),
    "uint16": INT16.astype("uint16"),
    "int64": INT32.astype("int64"),
    "bool": FLOATS > 0,
    "complex": FLOATS.astype("complex64"),
    "text": np.array([["a", "b"]]),
    "objects": np.array([[None, None]]),
    "empty": FLOATS[:0],
    "no channels": FLOATS[:, :0],
    "a number": np.float32(0.5),
    "a batch": FLOATS[None],
    "channels first": np.zeros((2, 88200), "float32"),
    "nan": np.full((10, 2), np.nan),
    "infinite": np.full((10, 2), np.inf),
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_arrays_that_are_refused(separator, given):
    with pytest.raises(InputError):
        separator.separate(given, RATE)


@pytest.mark.parametrize(
    "rate", [0, -1, 1, 999, 10**6, float("nan"), float("inf"), "44100", None, 1j, [8000]]
)
def test_rates_that_are_refused(separator, rate):
    with pytest.raises(InputError, match="sample rate must lie between"):
        separator.separate(FLOATS, rate)


BLOCKS = {
    "one dimension": [FLOATS[:, 0]],
    "other channels": [FLOATS, FLOATS[:, :1]],
    "other type": [FLOATS, FLOATS > 0],
    "none": [],
}


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
def test_streams_that_are_refused(separator, blocks):
    with pytest.raises(InputError):
        list(separator.stream(iter(blocks), RATE))


def test_eight_threads_share_a_separator(separator):
    expected = separator.separate(FLOATS, 44100)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for stems in threads.map(lambda _: separator.separate(FLOATS, 44100), range(16)):
            for name, stem in stems.items():
                np.testing.assert_array_equal(stem, expected[name])
