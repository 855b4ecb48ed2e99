"""BLEND: a weighted sum of two networks' outputs."""

from collections.abc import Callable

import keras

from keras_mmdense.configs import BlendConfig, ModelConfig
from keras_mmdense.layers.sources import Blend
from keras_mmdense.layers.tensor import Tensor

Assemble = Callable[[Tensor, ModelConfig, int], Tensor]


def blend(mixture: Tensor, config: BlendConfig, targets: int, assemble: Assemble) -> Tensor:
    """Assemble a blend; each part is a nested model in the graph, see `part_names`.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: Table of family "blend".
        targets: Number of targets.
        assemble: Builder of any network; takes the first three arguments.

    Returns:
        Magnitudes of the targets, see `heads.head`.
    """
    outputs = []
    for name, part in zip(part_names(config), (config.first, config.second), strict=True):
        inputs = keras.Input(mixture.shape[1:], dtype="float32", name="mixture")
        estimate = assemble(inputs, part, targets)
        outputs.append(keras.Model(inputs, estimate, name=name)(mixture))
    return Blend(config.share, dtype="float32", name="blend")(outputs)


def part_names(config: BlendConfig) -> tuple[str, str]:
    """Return the layer names of a blend's two networks.

    Args:
        config: Table of the blend.

    Returns:
        Names of the first and the second network.
    """
    return f"first_{config.first.name}", f"second_{config.second.name}"
