import numpy as np
import pytest

from keras_mmdense.layers.magnitude import LogMagnitude, Magnitude
from keras_mmdense.layers.stft import STFT


def test_magnitude():
    np.testing.assert_allclose(Magnitude()([np.array([3.0]), np.array([-4.0])]), [5.0])


def test_log_magnitude_is_relative_to_a_full_scale_sine():
    sine = np.sin(2 * np.pi * 8 / 512 * np.arange(5120))[None, :, None]
    magnitude = np.array(Magnitude()(STFT(512, 256)(sine)))
    level = np.array(LogMagnitude(128.0)(magnitude))
    assert level[0, 10, 8, 0] == pytest.approx(0, abs=1e-3)
    assert np.array(LogMagnitude(128.0, floor=1e-4)(0 * magnitude)).max() == np.float32(
        np.log(1e-4)
    )
    with pytest.raises(ValueError, match="received 0"):
        LogMagnitude(0)
