"""Magnitudes of spectrograms, and their logarithms, as Keras layers."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.tensor import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_mmdense")
class Magnitude(keras.layers.Layer):
    """Magnitude of a complex spectrogram.

    Input shape:
        A list `[real, imag]` of two tensors of equal shape.

    Output shape:
        That of each input, float32.
    """

    def __init__(self, **kwargs: Any):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        real, imag = inputs
        return ops.sqrt(ops.square(real) + ops.square(imag))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable(package="keras_mmdense")
class LogMagnitude(keras.layers.Layer):
    """Natural logarithm of a magnitude relative to full scale.

    Args:
        full_scale: float. Magnitude of a sine of amplitude 1, n_fft / 4 under a Hann window.
        floor: float. Added before the logarithm, relative to full scale; 1e-5 is -100 dB. Defaults
            to `1e-5`.

    Input shape:
        Any.

    Output shape:
        The input's, float32.

    Raises:
        ValueError: If an argument is not above 0.

    Example:

    >>> log = keras_mmdense.layers.LogMagnitude(512.0)(numpy.zeros((1, 1, 1025, 2)))
    >>> round(float(log[0, 0, 0, 0]), 3)  # log(1e-5)
    -11.513
    """

    def __init__(self, full_scale: float, floor: float = 1e-5, **kwargs: Any):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if full_scale <= 0 or floor <= 0:
            raise ValueError(
                f"full_scale and floor must be above 0, received {full_scale} and {floor}"
            )
        self.full_scale, self.floor = full_scale, floor

    def call(self, x: Tensor) -> Tensor:
        return ops.log(x * (1 / self.full_scale) + self.floor)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "full_scale": self.full_scale, "floor": self.floor}
