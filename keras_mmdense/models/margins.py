"""Cropping of context frames inside a network."""

import keras

from keras_mmdense.configs import Branch, DenseNetConfig, ModelConfig
from keras_mmdense.layers.padding import Trim
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.receptive_field import frames_after


def without_margin(model: keras.Model, config: ModelConfig, margin: int) -> keras.Model:
    """Crop the outer frames of a network's output, and everything that only they need.

    On the way up through the scales, and after it, frames are dropped that no remaining frame of
    the output depends on.

    Args:
        model: A network.
        config: Its table.
        margin: Frames to crop on either side of its output.

    Returns:
        A network from magnitudes (batch, frames, bins, channels) to the targets' magnitudes without
        the margin; it shares the layers of `model`.
    """
    cuts = _Cuts(model, config, margin)
    cut = keras.models.clone_model(
        model,
        clone_function=lambda layer: layer,
        call_function=lambda layer, x, **kwargs: cuts.after(layer, layer(cuts.before(layer, x))),
    )
    return keras.Model(cut.input, _trim(cut.output, cuts.left), name=model.name)


def cuts_inside(model: keras.Model, config: ModelConfig) -> bool:
    """Return whether `without_margin` crops frames inside a network, not only its output.

    Args:
        model: The network.
        config: Its table.

    Returns:
        Whether it does.
    """
    if not isinstance(config, DenseNetConfig) or config.recurrent:
        return False
    names = {layer.name for layer in model.layers}
    return names.issuperset(f"{branch.name}_crop" for branch in config.branches)


class _Cuts:
    """The frames to crop on either side of each layer.

    Args:
        model: A network. Without scales, only its output is cropped.
        config: Its table. An LSTM needs all frames, so nothing is cropped before it.
        margin: Frames that the output does not need.
    """

    def __init__(self, model: keras.Model, config: ModelConfig, margin: int):
        self.left = margin
        self._before: dict[str, list[int]] = {}
        self._after: dict[str, int] = {}
        if not isinstance(config, DenseNetConfig) or not cuts_inside(model, config):
            return
        self.left, head = 0, max(0, margin - frames_after(config))
        for branch in config.branches:
            self._cut_branch(config, branch, margin, head)
        self._after["output_conv"] = margin - head
        self._before["output_mask"] = [0, margin]

    def before(self, layer: keras.Layer, inputs: Tensor) -> Tensor:
        """Crop a layer's inputs."""
        if layer.name not in self._before:
            return inputs
        return [_trim(x, size) for x, size in zip(inputs, self._before[layer.name], strict=True)]

    def after(self, layer: keras.Layer, output: Tensor) -> Tensor:
        """Crop a layer's output."""
        return _trim(output, self._after.get(layer.name, 0))

    def _cut_branch(self, config: DenseNetConfig, branch: Branch, margin: int, head: int) -> None:
        cut = 0
        for i in range(1, branch.scales + 1):
            scale = 2 ** (branch.scales - i)
            fits = max(0, margin - frames_after(config, branch, i)) // scale
            # Maps from the coarser scale lack twice as many frames as they did there.
            self._before[f"{branch.name}_up{i}_skip"] = [fits - 2 * cut, fits]
            cut = fits
        self._before[f"{branch.name}_crop"] = [0, cut]
        self._after[f"{branch.name}_crop"] = head - cut


def _trim(x: Tensor, size: int) -> Tensor:
    return Trim(size, axis=-3)(x) if size else x
