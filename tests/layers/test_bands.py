import keras
import numpy as np
import pytest

from keras_mmdense.layers.bands import BandSplit, JoinSubbands, SplitSubbands
from keras_mmdense.layers.padding import CropLike, PadToMultiple
from keras_mmdense.layers.sources import Rest, SplitSources


def test_bands_join_to_what_was_split():
    x = np.random.default_rng(0).random((2, 5, 33, 2), "float32")
    bands = BandSplit([0, 7, 20, 33])(x)
    assert [band.shape[2] for band in bands] == [7, 13, 13]
    np.testing.assert_array_equal(keras.layers.Concatenate(axis=2)(bands), x)


@pytest.mark.parametrize("edges", [[0], [1, 5], [0, 5, 5]])
def test_edges_must_rise_from_zero(edges):
    with pytest.raises(ValueError, match="edges"):
        BandSplit(edges)


def test_edges_must_end_at_the_bins():
    with pytest.raises(ValueError, match="33 bins"):
        BandSplit([0, 7, 20])(np.zeros((1, 5, 33, 2), "float32"))


@pytest.mark.parametrize(("frames", "bins"), [(1, 9), (8, 16), (13, 33)])
def test_padding_appends_zeros_and_crop_takes_them_away(frames, bins):
    x = np.random.default_rng(0).random((1, frames, bins, 2), "float32")
    padded = np.array(PadToMultiple(8)(x))
    assert padded.shape[1] % 8 == 0 and padded.shape[2] % 8 == 0
    assert padded.shape[1] - frames < 8 and padded.shape[2] - bins < 8
    assert padded.sum() == pytest.approx(x.sum(), rel=1e-5)
    np.testing.assert_array_equal(CropLike()([padded, x]), x)


def test_sources_take_neighbouring_maps():
    x = np.arange(6, dtype="float32").reshape(1, 1, 1, 6)
    np.testing.assert_array_equal(SplitSources(3)(x)[0, :, 0, 0], [[0, 1], [2, 3], [4, 5]])


def test_rest_is_what_is_left_and_never_negative():
    sources = np.array([[[[[1.0]]], [[[2.0]]]]], "float32")
    for mixture, rest in ((5.0, 2.0), (2.0, 0.0)):
        result = Rest()([sources, np.full((1, 1, 1, 1), mixture, "float32")])
        np.testing.assert_array_equal(np.ravel(result), [1, 2, rest])


@pytest.mark.parametrize("bins", [16, 17, 18, 19, 33])
def test_subbands_are_consecutive_bins_and_join_again(bins):
    x = np.random.default_rng(0).random((2, 3, bins, 2), "float32")
    y = np.array(SplitSubbands(4)(x))
    size = 4 if bins < 18 else y.shape[2]
    assert y.shape == (2, 3, size, 8) == SplitSubbands(4).compute_output_shape(x.shape)
    np.testing.assert_array_equal(y[..., 2:4], x[:, :, size : 2 * size])
    joined = np.array(JoinSubbands(4, bins)(y))
    expected = x.copy()
    if bins % 4 == 1:  # The Nyquist bin repeats the one below.
        expected[:, :, -1] = x[:, :, -2]
    np.testing.assert_array_equal(joined, expected)


@pytest.mark.parametrize("bins", [32, 33, 37])
def test_adjacent_bins_are_stacked_inside_their_subband_and_join_again(bins):
    x = np.random.default_rng(0).random((2, 3, bins, 2), "float32")
    y = np.array(SplitSubbands(4, 2)(x))
    size = y.shape[2]
    assert y.shape == (2, 3, size, 16) == SplitSubbands(4, 2).compute_output_shape(x.shape)
    second = x[:, :, 2 * size : 4 * size]
    np.testing.assert_array_equal(y[..., 4:6], second[:, :, ::2])
    np.testing.assert_array_equal(y[..., 6:8], second[:, :, 1::2])
    joined = np.array(JoinSubbands(4, bins, 2)(y))
    assert joined.shape == JoinSubbands(4, bins, 2).compute_output_shape(y.shape)
    np.testing.assert_array_equal(joined[:, :, : bins - 1], x[:, :, : bins - 1])


def test_only_adjacent_bins_can_be_stacked():
    x = np.random.default_rng(0).random((1, 2, 9, 1), "float32")
    y = np.array(SplitSubbands(1, 4)(x))
    np.testing.assert_array_equal(y[0, :, :, :], x[0, :, :8, 0].reshape(2, 2, 4))


@pytest.mark.parametrize("size", [{"subbands": 0}, {"subbands": 4, "adjacent": 0}])
def test_subbands_need_at_least_one_bin(size):
    with pytest.raises(ValueError, match="must be 1 or more, received 0"):
        SplitSubbands(**size)
