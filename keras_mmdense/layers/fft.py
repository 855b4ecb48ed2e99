"""Real FFT and its inverse, by the backend's operator or by matrix products.

TensorFlow Lite has one operator, forward only, which runs on one thread in double precision. Two
products with constant matrices of about the square root of the length run on all threads in
XNNPACK, on every processor. With n_fft = P Q, a bin k = k1 + P k2 and a sample t = Q p + q:

    k t / n_fft = k1 p / P + k1 q / n_fft + k2 q / Q + a whole number

so that a transform is a sum over p (or k2), a rotation by k1 q / n_fft and a sum over q (or k1)
(Cooley and Tukey 1965). Of the bins, only those up to n_fft / 2 take part.
"""

import math

import numpy as np
from keras import ops

from keras_mmdense.layers.tensor import Tensor

METHODS = ("operator", "matrices")


def check_method(value: str) -> str:
    """Return the name of a method, or raise ValueError if it is unknown."""
    if value not in METHODS:
        raise ValueError(f"fft must be one of {', '.join(METHODS)}, received {value!r}")
    return value


def rfft(x: Tensor, method: str) -> tuple[Tensor, Tensor]:
    """Real FFT of the last axis.

    Args:
        x: Real sequences, (batch, channels, frames, n_fft), n_fft even.
        method: "operator" or "matrices".

    Returns:
        Real and imaginary part, (batch, channels, frames, n_fft / 2 + 1).
    """
    if method == "operator":
        return ops.rfft(x)
    _, channels, frames, size = ops.shape(x)
    p, q, k2 = _sizes(size)
    x = _transpose(ops.reshape(x, (-1, p, q)))
    cos, sin = _cos_sin(p, p, p)
    real, imag = _product(x, cos), _product(x, -sin)
    cos, sin = _cos_sin(q, p, size)
    real, imag = (_transpose(x) for x in _rotate(real, imag, cos, -sin))
    cos, sin = _cos_sin(q, k2, q)
    parts = (
        _product(real, cos) + _product(imag, sin),
        _product(imag, cos) - _product(real, sin),
    )
    shape = (-1, channels, frames, k2 * p)
    real, imag = (ops.reshape(_transpose(x), shape)[..., : size // 2 + 1] for x in parts)
    return real, imag


def irfft(real: Tensor, imag: Tensor, method: str) -> Tensor:
    """Inverse of `rfft`; the imaginary parts of the first and the last bin do not count.

    Args:
        real: Real part, (batch, channels, frames, n_fft / 2 + 1).
        imag: Imaginary part, same shape.
        method: "operator" or "matrices".

    Returns:
        Real sequences, (batch, channels, frames, n_fft).
    """
    size = 2 * (real.shape[-1] - 1)
    if method == "operator":
        return ops.irfft((real, imag), size)
    _, channels, frames, bins = ops.shape(real)
    p, q, k2 = _sizes(size)
    # All bins but the first and the last stand for two.
    weights = np.full(bins, 2 / size, "float32")
    weights[[0, -1]] /= 2
    parts = []
    for x in (ops.multiply(real, weights), imag * (2 / size)):
        x = ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, k2 * p - bins)))
        parts.append(_transpose(ops.reshape(x, (-1, k2, p))))
    x = ops.concatenate(parts, axis=-1)
    cos, sin = _cos_sin(k2, q, q)
    real = _product(x, np.concatenate([cos, -sin]))
    imag = _product(x, np.concatenate([sin, cos]))
    real, imag = (_transpose(x) for x in _rotate(real, imag, *_cos_sin(p, q, size)))
    cos, sin = _cos_sin(p, p, p)
    x = _product(real, cos) - _product(imag, sin)
    return ops.reshape(_transpose(x), (-1, channels, frames, size))


def _sizes(size: int) -> tuple[int, int, int]:
    """P, Q, and the number of k2 up to the middle bin."""
    p = max(x for x in range(1, math.isqrt(size) + 1) if size % x == 0)
    return p, size // p, size // 2 // p + 1


def _cos_sin(rows: int, columns: int, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of 2 pi row column / period."""
    steps = np.outer(np.arange(rows), np.arange(columns)) % period
    angles = 2 * np.pi / period * steps
    return np.cos(angles).astype("float32"), np.sin(angles).astype("float32")


def _rotate(real: Tensor, imag: Tensor, cos: np.ndarray, sin: np.ndarray) -> tuple[Tensor, Tensor]:
    # Not the operator *: a torch tensor with a gradient cannot be multiplied by an array.
    times = ops.multiply
    return times(real, cos) - times(imag, sin), times(real, sin) + times(imag, cos)


def _product(x: Tensor, matrix: np.ndarray) -> Tensor:
    """Multiply (batch, rows, columns) by a matrix, as one fully connected layer."""
    rows, columns = x.shape[1:]
    x = ops.matmul(ops.reshape(x, (-1, columns)), matrix)
    return ops.reshape(x, (-1, rows, matrix.shape[1]))


def _transpose(x: Tensor) -> Tensor:
    return ops.transpose(x, (0, 2, 1))
