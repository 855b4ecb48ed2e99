"""Types of the inputs and outputs of layers."""

from typing import Any, TypeAlias

# A tensor of the backend, or a `keras.KerasTensor` while a graph is built.
Tensor: TypeAlias = Any
# Sizes of the axes; None where unknown.
Shape: TypeAlias = tuple[Any, ...]
