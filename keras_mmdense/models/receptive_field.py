"""Receptive fields of the networks, and the grid on which windows may start."""

from keras_mmdense.configs import (
    BlendConfig,
    BLSTMConfig,
    Branch,
    DenseNetConfig,
    FNNConfig,
    ModelConfig,
)

RECURRENT_FRAMES = 256


def context_frames(config: ModelConfig) -> int:
    """Count the frames on either side of a frame that can change the output there.

    An LSTM has no such limit: its memory fades but never ends. Networks with LSTMs get 256 frames,
    6 s at a hop of 1024, beyond which little of it is left; their windows differ slightly from the
    whole song.

    Args:
        config: The network's table.

    Returns:
        Frames, rounded up to a multiple of `grid_frames`, so that windows that start at such
        multiples see the same pooling grid.
    """
    grid = grid_frames(config)
    return -(-_reach(config) // grid) * grid


def grid_frames(config: ModelConfig) -> int:
    """Return the grid on which windows of a network may start: its coarsest scale.

    Args:
        config: The network's table.

    Returns:
        Number of frames.
    """
    if isinstance(config, BlendConfig):
        return max(grid_frames(config.first), grid_frames(config.second))
    if isinstance(config, DenseNetConfig):
        return 2 ** max(branch.scales for branch in config.branches)
    return 1


def frames_after(config: DenseNetConfig, branch: Branch | None = None, up: int = 1) -> int:
    """Count the frames on either side that a network sees from some layer on.

    Args:
        config: The network's table.
        branch: One of its branches; None counts from the end of the branches.
        up: Number of the dense block on the branch's way up to count from, 1 for the coarsest.

    Returns:
        Frames at the first scale.
    """
    head = config.final.layers * _side(config.final_kernel) + _side(config.output_kernel)
    return head if branch is None else head + _dense_blocks(branch, branch.scales + up)


def _reach(config: ModelConfig) -> int:
    if isinstance(config, BlendConfig):
        return max(_reach(config.first), _reach(config.second))
    if isinstance(config, BLSTMConfig):
        return RECURRENT_FRAMES
    if isinstance(config, FNNConfig):
        return config.context
    assert isinstance(config, DenseNetConfig)
    return _dense_net(config) + (RECURRENT_FRAMES if config.recurrent else 0)


def _dense_net(config: DenseNetConfig) -> int:
    return frames_after(config) + max(_branch(branch) for branch in config.branches)


def _branch(branch: Branch) -> int:
    return _side(branch.first.kernel) + _dense_blocks(branch) + 2**branch.scales - 1


def _dense_blocks(branch: Branch, first: int = 0) -> int:
    """Count the frames on one side that a branch's dense blocks see, from number `first` on."""
    scales = branch.scales
    depths = [scales - abs(scales - i) if scales else 0 for i in range(len(branch.blocks))]
    pairs = list(zip(branch.blocks, depths, strict=True))[first:]
    return sum(block.layers * _side(branch.kernel) * 2**depth for block, depth in pairs)


def _side(kernel: tuple[int, int]) -> int:
    return kernel[0] // 2
