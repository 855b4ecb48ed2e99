"""Published scores of the paper, its baselines and its successors, with their certainty."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

CERTAINTY = {
    "C": "recomputed from the evaluation campaign's result files",
    "X": "read in the published text or data",
    "I": "as reported by independent re-implementations",
    "R": "quoted from memory, not checked against the source",
}


@dataclasses.dataclass(frozen=True)
class Published:
    """One published system.

    Attributes:
        system: Name of the system.
        sdr: Stem -> SDR in dB.
        certainty: Certainty of the numbers, a key of `CERTAINTY`.
    """

    system: str
    sdr: Mapping[str, float]
    certainty: str


@dataclasses.dataclass(frozen=True)
class PublishedTable:
    """Published systems that were scored on one data set under one rule.

    Attributes:
        data: Name of the data set.
        rule: Name of the rule, a key of `protocols.RULES`.
        rows: The systems.
    """

    data: str
    rule: str
    rows: tuple[Published, ...]


def _row(system: str, certainty: str, *sdr: float) -> Published:
    stems = ("bass", "drums", "other", "vocals", "accompaniment")
    return Published(system, dict(zip(stems, sdr, strict=False)), certainty)


PUBLISHED = (
    PublishedTable(
        "DSD100 test, 50 songs",
        "dsd100",
        (
            _row("DeepNMF", "R", 1.88, 2.11, 2.64, 2.75, 8.90),
            _row("NUG", "C", 2.72, 3.89, 3.18, 4.55, 10.29),
            _row("FNN", "C", 2.54, 3.75, 2.92, 4.47, 11.12),
            _row("BLSTM", "C", 2.89, 4.00, 3.24, 4.86, 11.26),
            _row("BLEND", "C", 2.98, 4.13, 3.52, 5.23, 11.70),
            _row("MMDenseNet", "R", 3.91, 5.37, 3.81, 6.00, 12.10),
            _row("MMDenseLSTM", "R", 3.73, 5.46, 4.33, 6.31, 12.73),
        ),
    ),
    PublishedTable(
        "MUSDB18 test, 50 songs",
        "museval",
        (
            _row("MMDenseLSTM (TAK1)", "C", 5.16, 6.43, 4.15, 6.60, 12.83),
            _row("MMDenseNet, 804 more songs (TAK3)", "C", 5.29, 6.82, 4.40, 6.80, 13.29),
            _row("D3Net", "X", 5.25, 7.01, 4.53, 7.24, 13.52),
            _row("Open-Unmix (umx)", "X", 5.23, 5.73, 4.02, 6.32),
        ),
    ),
)
