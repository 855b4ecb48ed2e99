"""The tables of the zoo's networks, to be read beside Table 1 of the paper (WASPAA 2017)."""

from keras_mmdense.configs.schema import Conv, Dense, ModelConfig, Stream

# The sizes of MMDENSENET and MDENSENET are those reported by independent re-implementations.
MMDENSENET = ModelConfig(
    name="mmdensenet",
    family="mmdensenet",
    streams=(
        Stream(
            name="low",
            band=(0, 11025),
            first=Conv((3, 4), 32),
            kernel=(3, 4),
            scales=3,
            blocks=(
                Dense(14, 4),
                Dense(16, 4),
                Dense(16, 4),
                Dense(16, 4),
                Dense(16, 4),
                Dense(16, 4),
                Dense(16, 4),
            ),
        ),
        Stream(
            name="high",
            band=(11025, None),
            first=Conv((3, 3), 32),
            kernel=(3, 3),
            scales=3,
            blocks=(
                Dense(10, 3),
                Dense(10, 3),
                Dense(10, 3),
                Dense(10, 3),
                Dense(10, 3),
                Dense(10, 3),
                Dense(10, 3),
            ),
        ),
        Stream(
            name="full",
            first=Conv((3, 4), 32),
            kernel=(3, 4),
            scales=3,
            blocks=(
                Dense(6, 2),
                Dense(6, 2),
                Dense(6, 2),
                Dense(6, 4),
                Dense(6, 2),
                Dense(6, 2),
                Dense(6, 2),
            ),
        ),
    ),
    final=Dense(4, 2),
)

MDENSENET = ModelConfig(
    name="mdensenet",
    family="mdensenet",
    streams=(
        Stream(
            name="full",
            first=Conv((3, 4), 32),
            kernel=(3, 4),
            scales=3,
            blocks=(Dense(12, 4),) * 7,
        ),
    ),
    final=Dense(4, 2),
)

# The paper gives no table for its DenseNet: ours is as deep as MDENSENET's full-resolution part.
DENSENET = ModelConfig(
    name="densenet",
    family="densenet",
    streams=(
        Stream(
            name="full",
            first=Conv((3, 4), 32),
            kernel=(3, 4),
            scales=0,
            blocks=(Dense(12, 4),) * 3,
        ),
    ),
    final=Dense(4, 2),
)

# For tests and for devices that have no room: two bands, two scales.
TINY = ModelConfig(
    name="tiny",
    family="mmdensenet",
    streams=(
        Stream(
            name="low",
            band=(0, 11025),
            first=Conv((3, 3), 8),
            kernel=(3, 3),
            scales=2,
            blocks=(Dense(4, 2),) * 5,
        ),
        Stream(
            name="high",
            band=(11025, None),
            first=Conv((3, 3), 4),
            kernel=(3, 3),
            scales=2,
            blocks=(Dense(2, 1),) * 5,
        ),
        Stream(
            name="full",
            first=Conv((3, 3), 4),
            kernel=(3, 3),
            scales=2,
            blocks=(Dense(2, 1),) * 5,
        ),
    ),
    final=Dense(4, 1),
)

TABLES = {table.name: table for table in (DENSENET, MDENSENET, MMDENSENET, TINY)}
