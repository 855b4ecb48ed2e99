"""The axis of sources: from a network's maps to sources, and what they leave of the mixture."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.tensor import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_mmdense")
class SplitSources(keras.layers.Layer):
    """Splits the maps of a network's last convolution into sources.

    Args:
        sources: int. Number of sources.

    Input shape:
        `(batch, frames, bins, sources * channels)`; the channels of a source are adjacent.

    Output shape:
        `(batch, sources, frames, bins, channels)`.
    """

    def __init__(self, sources: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.sources = sources

    def call(self, x: Tensor) -> Tensor:
        frames, bins, maps = ops.shape(x)[1], x.shape[2], x.shape[3]
        # Not at once: TensorFlow Lite would move single bins, which takes twice as long.
        x = ops.transpose(x, (0, 3, 1, 2))
        x = ops.reshape(x, (-1, self.sources, maps // self.sources, frames, bins))
        return ops.transpose(x, (0, 1, 3, 4, 2))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, frames, bins, maps = input_shape
        return (batch, self.sources, frames, bins, maps // self.sources)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sources": self.sources}


@keras.saving.register_keras_serializable(package="keras_mmdense")
class Rest(keras.layers.Layer):
    """Appends the rest of the mixture's magnitude as one more source.

    Input shape:
        A list `[sources, mixture]`: `(batch, sources, frames, bins, channels)` and
        `(batch, frames, bins, channels)`.

    Output shape:
        `(batch, sources + 1, frames, bins, channels)`.
    """

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        sources, mixture = inputs
        rest = ops.relu(mixture - ops.sum(sources, axis=1))
        return ops.concatenate([sources, ops.expand_dims(rest, 1)], axis=1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        batch, sources, *rest = input_shape[0]
        return (batch, sources + 1, *rest)


@keras.saving.register_keras_serializable(package="keras_mmdense")
class LastSource(keras.layers.Layer):
    """Appends what waveforms of sources leave of the mixture: one inverse STFT less.

    Input shape:
        A list `[sources, mixture]`: `(batch, sources, samples, channels)` and `(batch, samples,
        channels)`.

    Output shape:
        `(batch, sources + 1, samples, channels)`, float32.
    """

    def __init__(self, **kwargs: Any):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        rest = last_source(*inputs)
        return ops.concatenate([inputs[0], ops.expand_dims(rest, 1)], axis=1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        batch, sources, *rest = input_shape[0]
        return (batch, sources + 1, *rest)


def last_source(sources: Tensor, mixture: Tensor) -> Tensor:
    """Return what waveforms of sources leave of their mixture.

    Args:
        sources: (batch, sources, samples, channels).
        mixture: (batch, samples, channels).

    Returns:
        The rest, (batch, samples, channels).
    """
    return mixture - ops.sum(sources, axis=1)


@keras.saving.register_keras_serializable(package="keras_mmdense")
class FillUp(keras.layers.Layer):
    """Adds the same magnitude to all sources where they sum to too little of the mixture.

    A filter that shares the mixture among the sources is then defined everywhere, and a network
    that is trained through it learns not to close all its masks at once.

    Args:
        share: float. Least share of the mixture's magnitude that the sources sum to. Defaults to
            `0.1`.

    Input shape:
        A list `[sources, mixture]`, see `Rest`.

    Output shape:
        That of the sources.
    """

    def __init__(self, share: float = 0.1, **kwargs: Any):
        super().__init__(**kwargs)
        self.share = share

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        sources, mixture = inputs
        missing = ops.relu(self.share * mixture - ops.sum(sources, axis=1))
        return sources + ops.expand_dims(missing / sources.shape[1], 1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "share": self.share}


@keras.saving.register_keras_serializable(package="keras_mmdense")
class Blend(keras.layers.Layer):
    """Blends two estimates: share * first + (1 - share) * second.

    Args:
        share: float. Share of the first one, from 0 to 1.

    Input shape:
        A list of two tensors of equal shape.

    Output shape:
        That of each input.

    Raises:
        ValueError: If `share` lies outside [0, 1].
    """

    def __init__(self, share: float, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= share <= 1:
            raise ValueError(f"share must lie in [0, 1], received {share}")
        self.share = share

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        first, second = inputs
        return self.share * first + (1 - self.share) * second

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "share": self.share}
