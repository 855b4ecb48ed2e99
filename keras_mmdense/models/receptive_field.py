"""How far a network looks."""

from keras_mmdense.configs import ModelConfig, Stream


def context_frames(config: ModelConfig) -> int:
    """Counts the frames on either side of a frame that can change a network's output there.

    Args:
        config: The network's table.

    Returns:
        Frames, rounded up to a multiple of the network's coarsest scale, so that windows that start
        at such multiples see the same pooling grid.
    """
    head = config.final.layers * _reach(config.final_kernel) + _reach(config.output_kernel)
    frames = head + max(_stream(stream) for stream in config.streams)
    coarsest = 2 ** max(stream.scales for stream in config.streams)
    return -(-frames // coarsest) * coarsest


def _stream(stream: Stream) -> int:
    scales = stream.scales
    depths = [scales - abs(scales - i) if scales else 0 for i in range(len(stream.blocks))]
    pairs = zip(stream.blocks, depths, strict=True)
    dense = sum(block.layers * _reach(stream.kernel) * 2**depth for block, depth in pairs)
    return _reach(stream.first.kernel) + dense + 2**scales - 1


def _reach(kernel: tuple[int, int]) -> int:
    return kernel[0] // 2
