"""Networks that process a song in steps and remember what they need, computing no frame twice."""

import re

import keras

from keras_mmdense.configs import DenseNetConfig, ModelConfig
from keras_mmdense.layers.memory import Delay, Remember
from keras_mmdense.layers.padding import CropLike, Trim
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.receptive_field import grid_frames

DENSE_LAYER = re.compile(r"(.+)_dense(\d+)_(bn|concat|conv)")


def can_step(config: ModelConfig) -> bool:
    """Return whether `stepwise` supports the networks of a table, which need a bounded future.

    Args:
        config: The table.

    Returns:
        Whether it does.
    """
    return isinstance(config, DenseNetConfig) and not config.recurrent


def stepwise(
    model: keras.Model, config: ModelConfig, frames: int, late: int = 0
) -> tuple[keras.Model, int]:
    """Turn a network into one that takes a song in steps of a few frames.

    Convolutions see the last frames of the step before, kept by `Remember` layers; whatever joins
    another way through the network later waits in `Delay` layers. A dense block as a whole
    remembers what its layers look back to, and its outer frames are cut off.

    Args:
        model: A network whose table `can_step`.
        config: Its table.
        frames: Frames of a step, a multiple of `grid_frames(config)`.
        late: Delay of the input in frames: frame t of it belongs to frame t - late of the song,
            which sets the grid of pooling. Defaults to `0`.

    Returns:
        A network from magnitudes (1, frames, bins, channels) to the targets', which shares the
        layers of `model`; and its delay in frames: frame t of the output belongs to frame
        t - delay of the song. The song begins after zeros, as if silence had gone before.

    Raises:
        ValueError: If the table cannot step, or `frames` does not fit it.
    """
    grid = grid_frames(config)
    if not can_step(config) or frames < grid or frames % grid:
        raise ValueError(f"{config.name} takes no steps of {frames} frames")
    steps = _Steps(model, late)
    magnitude = keras.Input(batch_shape=(1, frames, *model.input_shape[2:]))
    copy = keras.models.clone_model(
        model,
        input_tensors=magnitude,
        clone_function=lambda layer: layer,
        call_function=lambda layer, x, **kwargs: steps.call(layer, x),
    )
    return keras.Model(magnitude, copy.output, name=model.name), steps.delay(copy.output)


def delayed(x: keras.KerasTensor, frames: int) -> keras.KerasTensor:
    """Delay a tensor by some frames.

    Args:
        x: Keras tensor (..., frames, bins, channels).
        frames: Number of frames; 0 leaves the tensor unchanged.

    Returns:
        A tensor with the shape of `x`.
    """
    return Delay(frames, axis=len(x.shape) - 3)(x) if frames else x


class _Steps:
    """Calls the layers of a network in steps, and knows how late every tensor is."""

    def __init__(self, model: keras.Model, late: int):
        self._model = model
        self._input = late, 1
        # By tensor: delay in frames of the first scale, and frames of one frame.
        self._known: dict[int, tuple[int, int]] = {}
        self._remembered: dict[str, tuple[Tensor, Tensor]] = {}
        self._tensors: list[Tensor] = []  # an id is only unique while its tensor lives

    def delay(self, x: keras.KerasTensor) -> int:
        return self._lateness(x)[0]

    def call(self, layer: keras.Layer, x: Tensor) -> Tensor:
        dense = DENSE_LAYER.fullmatch(layer.name)
        if dense:
            return self._dense_layer(layer, x, dense[1], int(dense[2]), dense[3])
        if isinstance(layer, keras.layers.Conv2D):
            side = layer.kernel_size[0] // 2
            return self._note(_trim(layer(self._remember(x, side)), side), x, late=side)
        if isinstance(layer, keras.layers.AveragePooling2D):
            delay, scale = self._lateness(x)
            ready = self._wait(x, -(-delay // (2 * scale)) * 2 * scale)
            return self._note(layer(ready), ready, scale=2)
        if isinstance(layer, keras.layers.Conv2DTranspose):
            return self._note(layer(x), x, scale=0.5)
        if isinstance(layer, CropLike) or not isinstance(x, list):
            return self._note(layer(x), x[0] if isinstance(x, list) else x)
        latest = max(self.delay(part) for part in x)
        x = [self._wait(part, latest) for part in x]
        return self._note(layer(x), max(x, key=self.delay))

    def _dense_layer(
        self, layer: keras.Layer, x: Tensor, block: str, number: int, part: str
    ) -> Tensor:
        """A dense block sees its past all at once; only its last maps lose the outer frames."""
        sides = self._sides(block)
        if (number, part) == (1, "bn"):
            self._remembered[block] = x, self._remember(x, sum(sides))
            return layer(self._remembered[block][1])
        if (number, part) == (2, "concat"):
            return layer([self._remembered[block][1], x[1]])
        if (number, part) != (len(sides), "conv"):
            return layer(x)
        return self._note(_trim(layer(x), sum(sides)), self._remembered[block][0], late=sum(sides))

    def _sides(self, block: str) -> list[int]:
        """Frames on either side that the layers of a dense block look at."""
        sides: list[int] = []
        number = 1
        names = {layer.name for layer in self._model.layers}
        while (name := f"{block}_dense{number}_conv") in names:
            sides.append(self._model.get_layer(name).kernel_size[0] // 2)
            number += 1
        return sides

    def _remember(self, x: Tensor, side: int) -> Tensor:
        return Remember(2 * side)(x) if side else x

    def _wait(self, x: Tensor, until: int) -> Tensor:
        """Delays a tensor until it is as late as another."""
        delay, scale = self._lateness(x)
        return self._note(delayed(x, (until - delay) // scale), x, late=(until - delay) // scale)

    def _lateness(self, x: Tensor) -> tuple[int, int]:
        return self._known.get(id(x), self._input)

    def _note(self, output: Tensor, source: Tensor, late: int = 0, scale: float = 1) -> Tensor:
        """Remembers how late an output is, by what it was computed from."""
        delay, size = self._lateness(source)
        for x in output if isinstance(output, list) else [output]:
            self._tensors.append(x)
            self._known[id(x)] = (delay + int(late * size), int(size * scale))
        return output


def _trim(x: Tensor, size: int) -> Tensor:
    return Trim(size, axis=-3)(x) if size else x
