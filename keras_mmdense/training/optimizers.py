"""Optimizers beyond those of Keras."""

import math

import keras
from keras import ops

from keras_mmdense.layers.tensor import Tensor

MIN_SIDE = 8


@keras.saving.register_keras_serializable(package="keras_mmdense")
class Muon(keras.optimizers.Muon):
    """Keras' Muon, which also orthogonalizes the updates of convolutions.

    A kernel is a matrix from all its inputs to its maps, as in Jordan et al. 2024, "Muon". Vectors,
    kernels with fewer than 8 inputs or maps, and the layer of the mask, whose name starts with
    `"output"`, are updated by Adam with the same learning rate. There is no weight decay.

    Args:
        learning_rate: Learning rate or schedule. Defaults to `0.001`.
        **kwargs: Arguments of `keras.optimizers.Muon`.
    """

    def __init__(self, learning_rate: float = 1e-3, **kwargs: object):
        none = {"weight_decay": None, "adam_weight_decay": None}
        super().__init__(learning_rate, **{**none, **kwargs})

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        if len(variable.shape) < 2 or variable.path.startswith("output"):
            return True
        return min(_matrix(variable)) < MIN_SIDE

    def zeropower_via_newtonschulz5(self, x: Tensor, steps: int) -> Tensor:
        matrix = super().zeropower_via_newtonschulz5(ops.reshape(x, _matrix(x)), steps)
        return ops.reshape(matrix, x.shape)

    def lr_adjust(self, x: Tensor) -> Tensor:
        return x * (math.sqrt(max(_matrix(x))) * self.rms_rate)


def _matrix(kernel: keras.Variable | Tensor) -> tuple[int, int]:
    *inputs, maps = kernel.shape
    return math.prod(inputs), maps
