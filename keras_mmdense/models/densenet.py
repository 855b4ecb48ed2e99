"""DenseNet: dense blocks at one scale."""

from keras_mmdense.configs import DenseNetConfig
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.blocks import chain
from keras_mmdense.models.heads import head, network_input


def densenet(mixture: Tensor, config: DenseNetConfig, targets: int) -> Tensor:
    """Assemble a DenseNet.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: Table of family "densenet".
        targets: Number of targets.

    Returns:
        Magnitudes of the targets, see `heads.head`.
    """
    x = chain(network_input(mixture, config), config.branches[0], config.bn_momentum)
    return head(x, mixture, config, targets)
