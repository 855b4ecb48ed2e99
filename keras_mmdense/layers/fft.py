"""Real FFT and its inverse, by the backend's operator or by matrix products.

TensorFlow Lite has one operator, forward only, which runs on one thread in double precision.
Products with constant matrices of about the square root of the length run on all threads in
XNNPACK, on every processor.

The sum of both halves of a sequence has its even bins, the difference its odd bins (decimation in
frequency), which makes two transforms of half the length M = n_fft / 2. With M = P Q, bin 2 k + odd
where k = k1 + P k2, and sample t = Q p + q of a half:

    (k + odd / 2) t / M = (k1 + odd / 2) p / P + (k1 + odd / 2) q / M + k2 q / Q + a whole number

so that each is a sum over p (or k2), a rotation by (k1 + odd / 2) q / M and a sum over q (or k1)
(Cooley and Tukey 1965). Of the bins, only those up to M take part.
"""

import math
from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_mmdense.layers.tensor import Tensor

METHODS = ("operator", "matrices")
Halves = Sequence[Tensor]


def check_method(value: str) -> str:
    """Return the name of a method, or raise ValueError if it is unknown."""
    if value not in METHODS:
        raise ValueError(f"fft must be one of {', '.join(METHODS)}, received {value!r}")
    return value


def rfft(halves: Halves, method: str) -> tuple[Tensor, Tensor]:
    """Real FFT of the last axis.

    Args:
        halves: First and second half of real sequences, (batch, channels, frames, n_fft / 2) each.
        method: "operator" or "matrices".

    Returns:
        Real and imaginary part, (batch, channels, frames, n_fft / 2 + 1).
    """
    first, second = halves
    if method == "operator":
        return ops.rfft(ops.concatenate([first, second], axis=-1))
    _, channels, frames, half = ops.shape(first)
    p, q = _sizes(half)
    even, odd = first + second, first - second
    sums = []
    for x, shift in ((even, 0.0), (odd, 0.5)):
        x = _transpose(ops.reshape(x, (-1, p, q)))
        cos, sin = _cos_sin(np.arange(p) + shift, p, p)
        sums.append([_transpose(_product(x, y.T)) for y in (cos, -sin)])
    real, imag = (ops.concatenate(x, axis=-1) for x in zip(*sums, strict=True))
    cos, sin = _rotation(p, q)
    real, imag = (ops.reshape(x, (-1, 2 * p, q)) for x in _rotate(real, imag, cos, -sin))
    # Bin M apart: with it, products of 16 columns would have 17, which take as long as 32.
    k2 = (q + 1) // 2
    cos, sin = _cos_sin(np.arange(q), k2, q)
    x = _product(real, np.hstack([cos, -sin])) + _product(imag, np.hstack([sin, cos]))
    x = _transpose(x)
    shape = (-1, channels, frames, 2 * p * k2)
    real, imag = (ops.reshape(y, shape) for y in (x[:, :k2], x[:, k2:]))
    if q % 2:
        real, imag = real[..., :half], imag[..., :half]
    signs = (-1.0) ** np.arange(half, dtype="float32")
    last = _product(odd if half % 2 else even, signs[:, None])
    return ops.concatenate([real, last], axis=-1), ops.pad(imag, ((0, 0), (0, 0), (0, 0), (0, 1)))


def irfft(real: Tensor, imag: Tensor, method: str) -> Halves:
    """Inverse of `rfft`; the imaginary parts of the first and the last bin do not count.

    Args:
        real: Real part, (batch, channels, frames, n_fft / 2 + 1).
        imag: Imaginary part, same shape.
        method: "operator" or "matrices".

    Returns:
        First and second half of real sequences, (batch, channels, frames, n_fft / 2) each.
    """
    half = real.shape[-1] - 1
    if method == "operator":
        x = ops.irfft((real, imag), 2 * half)
        return x[..., :half], x[..., half:]
    _, channels, frames, bins = ops.shape(real)
    p, q = _sizes(half)
    k2 = q // 2 + 1
    # All bins but the first and the last stand for two.
    weights = np.ones(bins, "float32")
    weights[[0, -1]] /= 2
    parts = []
    for x in (ops.multiply(real, weights), imag):
        x = ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, 2 * p * k2 - bins)))
        parts.append(ops.reshape(x, (-1, k2, 2 * p)))
    x = _transpose(ops.concatenate(parts, axis=1))
    cos, sin = (y / half for y in _cos_sin(np.arange(k2), q, q))
    sums = (_product(x, np.concatenate(y)) for y in ((cos, -sin), (sin, cos)))
    real, imag = (ops.reshape(y, (-1, p, 2 * q)) for y in sums)
    real, imag = (_transpose(y) for y in _rotate(real, imag, *_rotation(p, q)))
    parts = []
    for i, odd in enumerate((0.0, 0.5)):
        cos, sin = _cos_sin(np.arange(p) + odd, p, p)
        re, im = (x[:, i * q : (i + 1) * q] for x in (real, imag))
        x = _transpose(_product(re, cos) - _product(im, sin))
        parts.append(ops.reshape(x, (-1, channels, frames, half)))
    even, odd = parts
    return even + odd, even - odd


def _sizes(half: int) -> tuple[int, int]:
    """Return P and Q."""
    p = max(x for x in range(1, math.isqrt(half) + 1) if half % x == 0)
    return p, half // p


def _cos_sin(rows: np.ndarray, columns: int, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of 2 pi row column / period."""
    angles = 2 * np.pi / period * (np.outer(rows, np.arange(columns)) % period)
    return np.cos(angles).astype("float32"), np.sin(angles).astype("float32")


def _rotation(p: int, q: int) -> tuple[np.ndarray, ...]:
    """Cosine and sine of 2 pi (k1 + odd / 2) q / M, (P, 2 Q): even bins before odd ones."""
    parts = (_cos_sin(np.arange(p) + odd, q, p * q) for odd in (0.0, 0.5))
    return tuple(np.concatenate(x, axis=-1) for x in zip(*parts, strict=True))


def _rotate(real: Tensor, imag: Tensor, cos: np.ndarray, sin: np.ndarray) -> tuple[Tensor, Tensor]:
    # Not the operator *: a torch tensor with a gradient cannot be multiplied by an array.
    times = ops.multiply
    return times(real, cos) - times(imag, sin), times(real, sin) + times(imag, cos)


def _product(x: Tensor, matrix: np.ndarray) -> Tensor:
    """Multiply the last axis by a matrix, as one fully connected layer."""
    *shape, columns = ops.shape(x)
    product = ops.matmul(ops.reshape(x, (-1, columns)), matrix)
    return ops.reshape(product, (*shape, matrix.shape[1]))


def _transpose(x: Tensor) -> Tensor:
    return ops.transpose(x, (0, 2, 1))
