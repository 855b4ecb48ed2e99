"""Layers that remember: what a network needs to see a signal block by block."""

from typing import Any

import keras
from keras import ops

from keras_mmdense.layers.tensor import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_mmdense")
class Remember(keras.layers.Layer):
    """Prepends the last frames of earlier calls to those of this one.

    The memory is a non-trainable weight, `state`, zero at first; `keras.Model.stateless_call` and
    `keras.StatelessScope` pass it from call to call.

    Args:
        frames: int. Number of frames (or samples) to remember.
        axis: int. Axis of the frames. Defaults to `1`.

    Input shape:
        A batch of one, with a fixed number of frames.

    Output shape:
        The input's, with `frames` more frames.

    Raises:
        ValueError: If `frames` is less than 1, or the shape is not fixed.

    Example:

    >>> layer = keras_mmdense.layers.Remember(2)
    >>> joined = layer(numpy.ones((1, 4, 8), "float32"))
    >>> tuple(int(x) for x in joined[0, :, 0])
    (0, 0, 1, 1, 1, 1)
    """

    def __init__(self, frames: int, axis: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        if frames < 1:
            raise ValueError(f"frames must be 1 or more, received {frames}")
        self.frames, self.axis = frames, axis

    def build(self, input_shape: Shape) -> None:
        shape = (1, *input_shape[1 : self.axis], self.frames, *input_shape[self.axis + 1 :])
        if None in (*shape, input_shape[self.axis]) or input_shape[0] != 1:
            raise ValueError(f"{self.name} needs a batch of one of fixed shape: {input_shape}")
        self.state = self.add_weight(shape, "zeros", name="state", trainable=False)

    def call(self, x: Tensor) -> Tensor:
        joined = ops.concatenate([self.state, x], axis=self.axis)
        self.state.assign(self._cut(joined, x.shape[self.axis], joined.shape[self.axis]))
        return joined

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(input_shape)
        shape[self.axis] += self.frames
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "frames": self.frames, "axis": self.axis}

    def _cut(self, x: Tensor, start: int, end: int) -> Tensor:
        if (start, end) == (0, x.shape[self.axis]):
            return x
        return x[(slice(None),) * self.axis + (slice(start, end),)]


@keras.saving.register_keras_serializable(package="keras_mmdense")
class Delay(Remember):
    """Returns its input some frames later, zeros at first. See `Remember`.

    Input shape:
        A batch of one, with a fixed number of frames.

    Output shape:
        The input's.
    """

    def call(self, x: Tensor) -> Tensor:
        size = x.shape[self.axis]
        taken, given = min(size, self.frames), max(0, size - self.frames)
        state = ops.copy(self.state)  # torch assigns in place
        late = self._join(self._cut(state, 0, taken), self._cut(x, 0, given))
        waiting = self._join(self._cut(state, taken, self.frames), self._cut(x, given, size))
        self.state.assign(waiting)
        return late

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def _join(self, *parts: Tensor) -> Tensor:
        """Concatenate parts, but copy nothing if only one has frames."""
        some = [x for x in parts if x.shape[self.axis]]
        return some[0] if len(some) == 1 else ops.concatenate(some, axis=self.axis)
