"""Building blocks of the networks, as functions on Keras tensors (section 2 of the paper)."""

from keras import layers

from keras_mmdense.configs import Branch, Conv, DenseBlock
from keras_mmdense.layers.padding import CropLike, PadToMultiple
from keras_mmdense.layers.tensor import Tensor


def composite(x: Tensor, maps: int, kernel: tuple[int, int], momentum: float, name: str) -> Tensor:
    """Apply batch norm, ReLU and convolution, the composite layer of a dense block."""
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.Conv2D(maps, kernel, padding="same", name=f"{name}_conv")(x)


def dense_block(
    x: Tensor, block: DenseBlock, kernel: tuple[int, int], momentum: float, name: str
) -> Tensor:
    """Apply a dense block, whose layers see the input and the maps of all earlier layers.

    Args:
        x: Keras tensor (batch, frames, bins, maps).
        block: Growth rate k and number of layers.
        kernel: Kernel of the layers as (frames, bins).
        momentum: Momentum of the batch normalization statistics.
        name: Prefix of the layer names.

    Returns:
        The last layer's k maps, (batch, frames, bins, k); with an LSTM, its map is one more.
    """
    maps = composite(x, block.k, kernel, momentum, f"{name}_dense1")
    for i in range(2, block.layers + 1):
        # Concatenates the previous concatenation: two long parts are copied faster than many.
        x = layers.Concatenate(name=f"{name}_dense{i}_concat")([x, maps])
        maps = composite(x, block.k, kernel, momentum, f"{name}_dense{i}")
    if not block.cells:
        return maps
    recurrent = lstm(maps, block.cells, momentum, f"{name}_lstm")
    return layers.Concatenate(name=f"{name}_lstm_concat")([maps, recurrent])


def lstm(x: Tensor, cells: int, momentum: float, name: str) -> Tensor:
    """Apply a bidirectional LSTM over frames (MMDenseLSTM, 2018).

    Args:
        x: Keras tensor (batch, frames, bins, maps), which a 1x1 convolution reduces to one map.
        cells: Cells in each direction.
        momentum: Momentum of the batch normalization statistics.
        name: Prefix of the layer names.

    Returns:
        One map, (batch, frames, bins, 1); a dense layer maps the cells back to bins.
    """
    bins = x.shape[2]
    x = composite(x, 1, (1, 1), momentum, name)
    x = layers.Reshape((-1, bins), name=f"{name}_frames")(x)
    cell = layers.LSTM(cells, return_sequences=True)
    x = layers.Bidirectional(cell, name=f"{name}_cells")(x)
    x = layers.Dense(bins, name=f"{name}_dense")(x)
    return layers.Reshape((-1, bins, 1), name=f"{name}_map")(x)


def stage(x: Tensor, block: DenseBlock, branch: Branch, momentum: float, name: str) -> Tensor:
    """Apply a dense block of a branch, and its TDF block if the table has one."""
    name = f"{branch.name}_{name}"
    x = dense_block(x, block, branch.kernel, momentum, name)
    return tdf(x, branch.tdf, momentum, f"{name}_tdf") if branch.tdf else x


def tdf(x: Tensor, factor: int, momentum: float, name: str) -> Tensor:
    """Apply a residual, time-distributed fully connected block over bins (Choi et al. 2020).

    Args:
        x: Keras tensor (batch, frames, bins, maps); each map of a frame is transformed separately.
        factor: The bottleneck has bins / factor units, at least 8.
        momentum: Momentum of the batch normalization statistics.
        name: Prefix of the layer names.

    Returns:
        A tensor with the shape of `x`.
    """
    bins = x.shape[2]
    y = layers.Permute((1, 3, 2), name=f"{name}_bins_last")(x)
    for part, units in (("down", max(8, bins // factor)), ("up", bins)):
        # A 1x1 convolution over the bins as channels is the matrix product.
        y = layers.Conv2D(units, 1, use_bias=False, name=f"{name}_{part}")(y)
        y = layers.BatchNormalization(momentum=momentum, name=f"{name}_{part}_bn")(y)
        y = layers.ReLU(name=f"{name}_{part}_relu")(y)
    y = layers.Permute((1, 3, 2), name=f"{name}_maps_last")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def first_conv(x: Tensor, conv: Conv, name: str) -> Tensor:
    """Apply the first convolution of a branch."""
    return layers.Conv2D(conv.maps, conv.kernel, padding="same", name=f"{name}_first_conv")(x)


def upsample(x: Tensor, momentum: float, name: str) -> Tensor:
    """Apply batch norm and a 2x2 transposed convolution that doubles frames and bins."""
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}_up_bn")(x)
    return layers.Conv2DTranspose(x.shape[-1], 2, strides=2, name=f"{name}_up_conv")(x)


def chain(x: Tensor, branch: Branch, momentum: float) -> Tensor:
    """Apply a DenseNet at one scale: the dense blocks of a branch in sequence."""
    x = first_conv(x, branch.first, branch.name)
    for i, block in enumerate(branch.blocks, 1):
        x = stage(x, block, branch, momentum, f"block{i}")
    return x


def multi_scale(x: Tensor, branch: Branch, momentum: float) -> Tensor:
    """Apply a multi-scale DenseNet (figure 2): dense blocks down to 1 / 2^scales and up again.

    Args:
        x: Keras tensor (batch, frames, bins, channels) of any size.
        branch: The branch's column of the table.
        momentum: Momentum of the batch normalization statistics.

    Returns:
        Maps of the last dense block, (batch, frames, bins, k).
    """
    name, scales = branch.name, branch.scales
    down, bottleneck, up = (
        branch.blocks[:scales],
        branch.blocks[scales],
        branch.blocks[scales + 1 :],
    )
    inputs, skips = x, []
    x = PadToMultiple(2**scales, name=f"{name}_pad")(x)
    x = first_conv(x, branch.first, name)
    for i, block in enumerate(down, 1):
        x = stage(x, block, branch, momentum, f"down{i}")
        skips.append(x)
        x = layers.AveragePooling2D(2, name=f"{name}_down{i}_pool")(x)
    x = stage(x, bottleneck, branch, momentum, "bottleneck")
    for i, block in enumerate(up, 1):
        x = upsample(x, momentum, f"{name}_up{i}")
        x = layers.Concatenate(name=f"{name}_up{i}_skip")([x, skips.pop()])
        x = stage(x, block, branch, momentum, f"up{i}")
    return CropLike(name=f"{name}_crop")([x, inputs])
