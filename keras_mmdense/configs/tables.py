"""Tables of the zoo's networks, laid out like Table 1 of the paper (WASPAA 2017)."""

import dataclasses

from keras_mmdense.configs.parts import Branch, Conv, DenseBlock
from keras_mmdense.configs.schema import BlendConfig, BLSTMConfig, DenseNetConfig, FNNConfig

# The sizes of MMDENSENET and MDENSENET are those reported by independent re-implementations.
MMDENSENET = DenseNetConfig(
    name="mmdensenet",
    family="mmdensenet",
    branches=(
        Branch(
            name="low",
            band=(0, 11025),
            first=Conv((3, 4), 32),
            kernel=(3, 4),
            scales=3,
            blocks=(
                DenseBlock(14, 4),
                DenseBlock(16, 4),
                DenseBlock(16, 4),
                DenseBlock(16, 4),
                DenseBlock(16, 4),
                DenseBlock(16, 4),
                DenseBlock(16, 4),
            ),
        ),
        Branch(
            name="high",
            band=(11025, None),
            first=Conv((3, 3), 32),
            kernel=(3, 3),
            scales=3,
            blocks=(
                DenseBlock(10, 3),
                DenseBlock(10, 3),
                DenseBlock(10, 3),
                DenseBlock(10, 3),
                DenseBlock(10, 3),
                DenseBlock(10, 3),
                DenseBlock(10, 3),
            ),
        ),
        Branch(
            name="full",
            first=Conv((3, 4), 32),
            kernel=(3, 4),
            scales=3,
            blocks=(
                DenseBlock(6, 2),
                DenseBlock(6, 2),
                DenseBlock(6, 2),
                DenseBlock(6, 4),
                DenseBlock(6, 2),
                DenseBlock(6, 2),
                DenseBlock(6, 2),
            ),
        ),
    ),
    final=DenseBlock(4, 2),
)

MDENSENET = DenseNetConfig(
    name="mdensenet",
    family="mdensenet",
    branches=(
        Branch(
            name="full",
            first=Conv((3, 4), 32),
            kernel=(3, 4),
            scales=3,
            blocks=(DenseBlock(12, 4),) * 7,
        ),
    ),
    final=DenseBlock(4, 2),
)

# Four channel-wise subbands (Liu et al. 2020) and TDF blocks (Choi et al. 2020) in an MDenseNet.
# Growth rates are multiples of 8, which processors handle well, and increase toward the coarse
# scales, where maps cost little.
MDENSENET_CWS = DenseNetConfig(
    name="mdensenet_cws",
    family="mdensenet",
    input="log",
    subbands=4,
    branches=(
        Branch(
            name="full",
            first=Conv((3, 3), 32),
            kernel=(3, 3),
            scales=3,
            tdf=8,
            blocks=(
                DenseBlock(16, 3),
                DenseBlock(24, 4),
                DenseBlock(32, 4),
                DenseBlock(32, 4),
                DenseBlock(32, 4),
                DenseBlock(24, 4),
                DenseBlock(16, 3),
            ),
        ),
    ),
    final=DenseBlock(8, 2),
    output_kernel=(1, 1),
)

# Bins half as wide, in pairs: as many places.
MDENSENET_CWS_4096 = dataclasses.replace(
    MDENSENET_CWS, name="mdensenet_cws_4096", n_fft=4096, adjacent=2
)

# The paper has no table for its DenseNet; this one is as deep as MDENSENET's full-resolution part.
DENSENET = DenseNetConfig(
    name="densenet",
    family="densenet",
    branches=(
        Branch(
            name="full",
            first=Conv((3, 4), 32),
            kernel=(3, 4),
            scales=0,
            blocks=(DenseBlock(12, 4),) * 3,
        ),
    ),
    final=DenseBlock(4, 2),
)

# Follows an independent re-implementation of the network of 2018. Its LSTMs are reported to have
# 128, 32 and 8 cells, counted here over both directions, which agrees with its size (about 1.22
# million parameters). This one has 1.36 million: it covers the spectrum up to the Nyquist
# frequency, while the other passes everything above 16 kHz through unchanged; an LSTM grows with
# its bins.
MMDENSELSTM = DenseNetConfig(
    name="mmdenselstm",
    family="mmdensenet",
    n_fft=4096,
    branches=(
        Branch(
            name="low",
            band=(0, 4091),
            first=Conv((3, 3), 32),
            kernel=(3, 3),
            scales=3,
            blocks=(
                DenseBlock(14, 5),
                DenseBlock(14, 5),
                DenseBlock(14, 5),
                DenseBlock(14, 5, cells=64),
                DenseBlock(14, 5),
                DenseBlock(14, 5, cells=64),
                DenseBlock(14, 5),
            ),
        ),
        Branch(
            name="middle",
            band=(4091, 11025),
            first=Conv((3, 3), 32),
            kernel=(3, 3),
            scales=3,
            blocks=(
                DenseBlock(4, 4),
                DenseBlock(4, 4),
                DenseBlock(4, 4),
                DenseBlock(4, 4, cells=16),
                DenseBlock(4, 4),
                DenseBlock(4, 4),
                DenseBlock(4, 4),
            ),
        ),
        Branch(
            name="high",
            band=(11025, None),
            first=Conv((3, 3), 32),
            kernel=(3, 3),
            scales=3,
            blocks=(
                DenseBlock(2, 1),
                DenseBlock(2, 1),
                DenseBlock(2, 1),
                DenseBlock(2, 1, cells=4),
                DenseBlock(2, 1),
                DenseBlock(2, 1),
                DenseBlock(2, 1),
            ),
        ),
        Branch(
            name="full",
            first=Conv((3, 3), 8),
            kernel=(3, 3),
            scales=4,
            blocks=(
                DenseBlock(7, 3),
                DenseBlock(7, 3),
                DenseBlock(7, 4),
                DenseBlock(7, 5),
                DenseBlock(7, 5, cells=64),
                DenseBlock(7, 5),
                DenseBlock(7, 4),
                DenseBlock(7, 3, cells=64),
                DenseBlock(7, 3),
            ),
        ),
    ),
    final=DenseBlock(12, 3),
)

# The literature specifies the FNN's four layers; their units and the context are choices made here.
FNN = FNNConfig(name="fnn", n_fft=4096, context=3, layers=4, hidden=512, band_limit=16000)

# The configuration of 2018: 1487 of 2049 input bins, 30.0 million parameters.
BLSTM = BLSTMConfig(name="blstm", n_fft=4096, layers=3, cells=500, band_limit=16000)

BLEND = BlendConfig(name="blend", n_fft=4096, first=FNN, second=BLSTM, share=0.25)

# For tests and small devices: two bands, two scales.
TINY = DenseNetConfig(
    name="tiny",
    family="mmdensenet",
    branches=(
        Branch(
            name="low",
            band=(0, 11025),
            first=Conv((3, 3), 8),
            kernel=(3, 3),
            scales=2,
            blocks=(DenseBlock(4, 2),) * 5,
        ),
        Branch(
            name="high",
            band=(11025, None),
            first=Conv((3, 3), 4),
            kernel=(3, 3),
            scales=2,
            blocks=(DenseBlock(2, 1),) * 5,
        ),
        Branch(
            name="full",
            first=Conv((3, 3), 4),
            kernel=(3, 3),
            scales=2,
            blocks=(DenseBlock(2, 1),) * 5,
        ),
    ),
    final=DenseBlock(4, 1),
)

_ALL = (
    BLEND,
    BLSTM,
    DENSENET,
    FNN,
    MDENSENET,
    MDENSENET_CWS,
    MDENSENET_CWS_4096,
    MMDENSELSTM,
    MMDENSENET,
    TINY,
)
TABLES = {table.name: table for table in _ALL}
