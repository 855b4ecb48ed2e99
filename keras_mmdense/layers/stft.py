"""Short-time Fourier transform and its inverse as Keras layers, in real arithmetic.

Complex numbers travel as two real tensors, so that the layers run on every backend and every
operator exists in TensorFlow Lite.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mmdense.layers import fft as transform
from keras_mmdense.layers.memory import Delay
from keras_mmdense.layers.tensor import Shape, Tensor

WINDOWS: dict[str, Callable[[int], np.ndarray]] = {
    "hann": lambda size: np.sin(np.pi * np.arange(size) / size) ** 2,
    "sqrt_hann": lambda size: np.sin(np.pi * np.arange(size) / size),
}


class _Transform(keras.layers.Layer):
    """Base of both directions: sizes, window and method."""

    def __init__(
        self,
        n_fft: int = 2048,
        hop: int = 1024,
        window: str = "hann",
        fft: str = "operator",
        **kwargs: Any,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if n_fft < 2 or n_fft % 2:
            raise ValueError(f"n_fft must be even, received {n_fft}")
        if hop < 1 or n_fft % hop or hop > n_fft // 2:
            raise ValueError(f"hop must divide n_fft and be at most its half, received {hop}")
        if window not in WINDOWS:
            raise ValueError(f"window must be one of {', '.join(WINDOWS)}, received {window!r}")
        self.n_fft, self.hop, self.window = n_fft, hop, window
        self.fft = transform.check_method(fft)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        sizes = {"n_fft": self.n_fft, "hop": self.hop}
        return {**config, **sizes, "window": self.window, "fft": self.fft}

    def _window(self) -> np.ndarray:
        return WINDOWS[self.window](self.n_fft).astype("float32")

    def _window_halves(self) -> np.ndarray:
        return self._window().reshape(2, -1)

    @property
    def _overlap(self) -> int:
        return self.n_fft // self.hop


@keras.saving.register_keras_serializable(package="keras_mmdense")
class STFT(_Transform):
    """Short-time Fourier transform with centered frames.

    Frame t is centered on sample t * hop; the signal is zero outside its ends. There are
    1 + ceil(samples / hop) frames, so that more than the edge of a window covers the last sample
    and `InverseSTFT` is exact. For a multiple of the hop this equals
    `librosa.stft(center=True, pad_mode="constant")`.

    Args:
        n_fft: int. Length of window and transform in samples. Defaults to `2048`.
        hop: int. Step between frames in samples, a divisor of `n_fft`. Defaults to `1024`.
        window: str. Periodic window, `"hann"` or `"sqrt_hann"`. Defaults to `"hann"`.
        fft: str. `"operator"`, the backend's FFT, or `"matrices"`, which TensorFlow Lite runs on
            all threads. Defaults to `"operator"`.

    Input shape:
        `(batch, samples, channels)`, float32.

    Output shape:
        Two tensors, real and imaginary part, each `(batch, frames, n_fft / 2 + 1, channels)`,
        float32.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> real, imag = keras_mmdense.layers.STFT(2048, 1024)(numpy.zeros((1, 44100, 2), "float32"))
    >>> tuple(real.shape)
    (1, 45, 1025, 2)
    """

    def call(self, x: Tensor) -> tuple[Tensor, Tensor]:
        samples = ops.shape(x)[1]
        frames = 1 + (samples + self.hop - 1) // self.hop
        x = ops.transpose(x, (0, 2, 1))
        half = self.n_fft // 2
        x = ops.pad(x, ((0, 0), (0, 0), (half, half + self.hop)))
        hops = frames - 1 + self._overlap
        x = x[:, :, : hops * self.hop]
        x = ops.reshape(x, (-1, x.shape[1], hops, self.hop))
        return self._transform([x[:, :, i : frames + i] for i in range(self._overlap)])

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        batch, samples, channels = input_shape
        frames = None if samples is None else 1 + -(-samples // self.hop)
        shape = (batch, frames, self.n_fft // 2 + 1, channels)
        return shape, shape

    def compute_output_spec(self, x: Tensor) -> tuple[Tensor, ...]:
        shape, _ = self.compute_output_shape(x.shape)
        return tuple(keras.KerasTensor(shape, dtype="float32") for _ in range(2))

    def _transform(self, hops: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Transform frames, given hop by hop: (batch, channels, frames, hop) each."""
        middle = self._overlap // 2
        halves = (ops.concatenate(x, axis=-1) for x in (hops[:middle], hops[middle:]))
        windowed = [ops.multiply(*x) for x in zip(halves, self._window_halves(), strict=True)]
        spectra = transform.rfft(windowed, self.fft)
        return tuple(ops.transpose(x, (0, 2, 3, 1)) for x in spectra)


@keras.saving.register_keras_serializable(package="keras_mmdense")
class StepwiseSTFT(STFT):
    """`STFT` for a song in steps.

    A frame for each hop: it ends with this hop. So frames come n_fft / (2 * hop) - 1 late.

    Args:
        n_fft, hop, window, fft: See `STFT`.

    Input shape:
        `(1, samples, channels)`, float32, for a fixed multiple of the hop.

    Output shape:
        Two tensors, each `(1, samples / hop, n_fft / 2 + 1, channels)`, float32.

    Raises:
        ValueError: If an argument is out of range, or `n_fft` is not an even multiple of the hop.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._delays = _delays(self)

    def build(self, input_shape: Shape) -> None:
        batch, samples, channels = input_shape
        for delay in self._delays:
            delay.build((batch, channels, samples // self.hop, self.hop))

    def call(self, x: Tensor) -> tuple[Tensor, ...]:
        _, samples, channels = x.shape
        x = ops.transpose(x, (0, 2, 1))
        parts = [ops.reshape(x, (1, channels, samples // self.hop, self.hop))]
        for delay in self._delays:
            parts.insert(0, delay(parts[0]))
        return self._transform(parts)

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        batch, samples, channels = input_shape
        shape = (batch, samples // self.hop, self.n_fft // 2 + 1, channels)
        return shape, shape


@keras.saving.register_keras_serializable(package="keras_mmdense")
class InverseSTFT(_Transform):
    """Inverse of `STFT` by weighted overlap-add, exact at both ends.

    Args:
        n_fft: int. Length of window and transform in samples. Defaults to `2048`.
        hop: int. Step between frames in samples, a divisor of `n_fft`. Defaults to `1024`.
        window: str. Periodic window, `"hann"` or `"sqrt_hann"`. Defaults to `"hann"`.
        fft: str. `"operator"`, the backend's FFT, or `"matrices"`, which TensorFlow Lite runs on
            all threads. Defaults to `"operator"`.
        data_format: str. `"channels_last"`, or `"channels_first"` for spectra `(batch, sources,
            channels, frames, bins)`. Defaults to `"channels_last"`.

    Input shape:
        A list `[real, imag, reference]`: real and imaginary part, each `(batch, sources, frames,
        bins, channels)`, and a waveform `(batch, samples, channels)`, which sets the length.

    Output shape:
        `(batch, sources, samples, channels)`, float32.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, *args: Any, data_format: str = "channels_last", **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.data_format = check_data_format(data_format)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        real, imag, reference = inputs
        return self._waveforms(real, imag, ops.shape(reference)[1])

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        real, _, (batch, samples, channels) = input_shape
        return (batch, real[1], samples, channels)

    def compute_output_spec(self, inputs: Sequence[Tensor]) -> Tensor:
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        """Batch, sources, frames and channels of spectra."""
        last = self.data_format == "channels_last"
        return shape[0], shape[1], shape[2 if last else 3], shape[4 if last else 2]

    def _halves(self, real: Tensor, imag: Tensor) -> Sequence[Tensor]:
        """Both halves of the frames of spectra, (batch, sources * channels, frames, n_fft / 2)."""
        _, sources, _, channels = self._sizes(real.shape)
        if self.data_format == "channels_last":
            real, imag = (ops.transpose(x, (0, 1, 4, 2, 3)) for x in (real, imag))
        shape = (-1, sources * channels, ops.shape(real)[3], real.shape[4])
        return transform.irfft(ops.reshape(real, shape), ops.reshape(imag, shape), self.fft)

    def _waveforms(self, real: Tensor, imag: Tensor, samples: int) -> Tensor:
        _, sources, _, channels = self._sizes(real.shape)
        halves = self._halves(real, imag)
        x = self._join_halves(*halves) if self._overlap == 2 else self._join(halves)
        batch, _, hops, hop = ops.shape(x)
        x = ops.reshape(x, (batch, sources, channels, hops * hop))
        if samples != x.shape[-1]:  # TensorFlow Lite would copy all of it.
            x = x[..., :samples]
        return ops.transpose(x, (0, 1, 3, 2))

    def _join_halves(self, first: Tensor, second: Tensor) -> Tensor:
        """Overlap-add frames that overlap by half, from the center of the first frame."""
        weight = self._synthesis_weights()
        # Not the operator *: a torch tensor with a gradient cannot be multiplied by an array.
        first, second = map(ops.multiply, (first, second), weight)
        return first[:, :, 1:] + second[:, :, :-1]

    def _join(self, halves: Sequence[Tensor]) -> Tensor:
        """Overlap-add frames that overlap by more, from the center of the first frame."""
        frames = ops.concatenate(halves, axis=-1)
        x = self._overlap_add(ops.multiply(frames, self._synthesis_weights().reshape(-1)))
        half, hops = self._overlap // 2, ops.shape(frames)[2] - 1
        x = x[:, :, half : half + hops]
        # The edges apart: TensorFlow Lite would store weights for the whole signal.
        low, high = (min, max) if isinstance(hops, int) else (ops.minimum, ops.maximum)
        first = low(half - 1, hops)
        last = high(first, hops - half + 1)
        start = x[:, :, :first] * self._edge_weights(0, first, hops)
        end = x[:, :, last:] * self._edge_weights(last, hops, hops)
        return ops.concatenate([start, x[:, :, first:last], end], axis=2)

    def _edge_weights(self, start: int, stop: int, hops: int) -> Tensor:
        """Weights of some of the signal's hops, which make up for frames beyond its ends."""
        half = self._overlap // 2
        squares = self._window().reshape(self._overlap, self.hop) ** 2
        frames = ops.expand_dims(ops.arange(start, stop), 1) + np.arange(half, -half, -1)
        present = ops.cast((frames >= 0) & (frames <= hops), "float32")
        return squares.sum(axis=0) / ops.maximum(ops.matmul(present, squares), 1e-8)

    def _synthesis_weights(self) -> np.ndarray:
        """Weights of a frame, (hops, hop), where it overlaps others on both sides."""
        window = self._window().reshape(self._overlap, self.hop)
        return window / (window**2).sum(axis=0)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """Sum overlapping frames to hops of the signal, (..., hops, hop)."""
        overlap, hop = self._overlap, self.hop
        hops = ops.pad(frames[..., :hop], ((0, 0), (0, 0), (0, overlap - 1), (0, 0)))
        for i in range(1, overlap):
            part = frames[..., i * hop : (i + 1) * hop]
            # Not an addition: TensorFlow adds three and more in an order that depends on timing.
            hops = hops - ops.pad(-part, ((0, 0), (0, 0), (i, overlap - 1 - i), (0, 0)))
        return hops


@keras.saving.register_keras_serializable(package="keras_mmdense")
class StepwiseInverseSTFT(InverseSTFT):
    """`InverseSTFT` for a song in steps; n_fft / (2 * hop) hops late.

    Args:
        n_fft, hop, window, fft, data_format: See `InverseSTFT`.

    Input shape:
        A list `[real, imag]` of the spectra that `InverseSTFT` takes, for a batch of one and a
        fixed number of frames.

    Output shape:
        `(1, sources, frames * hop, channels)`, float32.

    Raises:
        ValueError: If an argument is out of range, or `n_fft` is not an even multiple of the hop.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._delays = _delays(self)

    def build(self, input_shape: Sequence[Shape]) -> None:
        batch, sources, frames, channels = self._sizes(input_shape[0])
        for delay in self._delays:
            delay.build((batch, sources * channels, frames, self.hop))

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        real, imag = inputs
        _, sources, frames, channels = self._sizes(real.shape)
        x = self._overlap_in_steps(self._halves(real, imag))
        x = ops.reshape(x, (1, sources, channels, frames * self.hop))
        return ops.transpose(x, (0, 1, 3, 2))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        batch, sources, frames, channels = self._sizes(input_shape[0])
        return (batch, sources, frames * self.hop, channels)

    def _overlap_in_steps(self, halves: Sequence[Tensor]) -> Tensor:
        """Add to each frame's first hop what the frames before it left there."""
        weights = np.split(self._synthesis_weights().reshape(-1), 2)
        parts = []
        for half in map(ops.multiply, halves, weights):
            parts += ops.split(half, self._overlap // 2, axis=-1)
        left = parts.pop()
        for delay in self._delays:
            left = parts.pop() + delay(left)
        return left


def _delays(layer: _Transform) -> list[Delay]:
    """A delay of a hop for every hop of a window but one."""
    hops, rest = divmod(layer.n_fft, layer.hop)
    if rest or hops % 2:
        raise ValueError(
            f"n_fft must be an even multiple of the hop {layer.hop}, received {layer.n_fft}"
        )
    return [Delay(1, axis=2, dtype="float32") for _ in range(hops - 1)]


def check_data_format(value: str) -> str:
    """Return a data format, or raise ValueError if it is unknown."""
    if value not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be channels_last or channels_first, received {value!r}")
    return value
