"""MDenseNet: dense blocks over several scales of the full band (section 2.2 of the paper)."""

from keras_mmdense.configs import DenseNetConfig
from keras_mmdense.layers.tensor import Tensor
from keras_mmdense.models.blocks import multi_scale
from keras_mmdense.models.heads import head, network_input


def mdensenet(mixture: Tensor, config: DenseNetConfig, targets: int) -> Tensor:
    """Assemble an MDenseNet.

    Args:
        mixture: Keras tensor (batch, frames, bins, channels), magnitude of the mixture.
        config: Table of family "mdensenet".
        targets: Number of targets.

    Returns:
        Magnitudes of the targets, see `heads.head`.
    """
    x = multi_scale(network_input(mixture, config), config.branches[0], config.bn_momentum)
    return head(x, mixture, config, targets)
