"""Networks as a phone should run them: the same numbers in less time."""

import keras
import numpy as np
from keras import layers

from keras_mmdense.configs import DenseNetConfig, ModelConfig
from keras_mmdense.layers.padding import Trim
from keras_mmdense.models.receptive_field import frames_after


def lean(model: keras.Model, config: ModelConfig, margin: int = 0) -> keras.Model:
    """Copies a network for windows whose outer frames are not needed.

    Every batch norm becomes one depthwise 1x1 convolution. Most of them cannot be folded into a
    convolution, as they follow a concatenation; the converter would make a multiplication and an
    addition of each, two passes through memory.

    On the way up through the scales, and in what follows, frames are left out that no frame which
    is kept looks at.

    Args:
        model: A trained network.
        config: Its table.
        margin: Frames on either side that its output is to lack.

    Returns:
        A network from magnitudes (batch, frames, bins, channels) to the sources' without the
        margin. With a margin of 0, what `model` gives.
    """
    cuts = _Cuts(config, margin)

    def replace(layer):
        if isinstance(layer, layers.BatchNormalization):
            return layers.DepthwiseConv2D(1, name=layer.name, dtype="float32")
        return type(layer).from_config(layer.get_config())

    # `masks`: batch norm is called with a mask, a convolution is not.
    copy = keras.models.clone_model(
        model,
        clone_function=replace,
        call_function=lambda layer, x, **masks: cuts.after(layer, layer(cuts.before(layer, x))),
    )
    for layer in copy.layers:
        if isinstance(layer, Trim):
            continue
        old = model.get_layer(layer.name)
        if isinstance(old, layers.BatchNormalization):
            gamma, beta, mean, variance = old.get_weights()
            scale = gamma / np.sqrt(variance + old.epsilon)
            layer.set_weights([scale.reshape(1, 1, -1, 1), beta - mean * scale])
        else:
            layer.set_weights(old.get_weights())
    return keras.Model(copy.input, _trim(copy.output, margin - cuts.head), name=model.name)


class _Cuts:
    """Where frames are cut off, in numbers of frames on either side.

    Args:
        config: A network's table. Nothing is cut before an LSTM, which needs all frames, nor
            without scales, where no place is better than the end.
        margin: Frames that the output does not need.
    """

    def __init__(self, config, margin):
        self.head, self._before, self._after = 0, {}, {}
        if not isinstance(config, DenseNetConfig) or config.recurrent:
            return
        if not all(stream.scales for stream in config.streams):
            return
        # The maps before the head, and so the mixture that its mask multiplies.
        self.head = max(0, margin - frames_after(config))
        self._before["output_mask"] = [0, self.head]
        for stream in config.streams:
            self._cut_stream(config, stream, margin)

    def before(self, layer, inputs):
        """Cuts a layer's inputs."""
        if layer.name not in self._before:
            return inputs
        return [_trim(x, size) for x, size in zip(inputs, self._before[layer.name], strict=True)]

    def after(self, layer, output):
        """Cuts a layer's output."""
        return _trim(output, self._after.get(layer.name, 0))

    def _cut_stream(self, config, stream, margin):
        cut = 0
        for i in range(1, stream.scales + 1):
            scale = 2 ** (stream.scales - i)
            fits = max(0, margin - frames_after(config, stream, i)) // scale
            # What came up from the coarser scale lacks twice as many frames as it did there.
            self._before[f"{stream.name}_up{i}_skip"] = [fits - 2 * cut, fits]
            cut = fits
        self._before[f"{stream.name}_crop"] = [0, cut]
        self._after[f"{stream.name}_crop"] = self.head - cut


def _trim(x, size):
    return Trim(size, axis=-3)(x) if size else x
