"""Rules by which published evaluations summarize the scores of frames."""

from __future__ import annotations

from dataclasses import dataclass

from keras_mmdense.errors import InputError

METRICS = ("SDR", "SIR", "SAR", "ISR")  # in the order of tables
COMPUTED = ("SDR", "ISR", "SIR", "SAR")  # in museval's order


@dataclass(frozen=True)
class Rule:
    """How songs are scored and summarized.

    Attributes:
        name: Name of the rule.
        mode: "v4", one set of distortion filters per song, or "v3", one set per frame.
        window, hop: Length and hop of frames in seconds. A song shorter than a frame is one frame.
        over_frames: "median" or "mean", which summarizes the frames of a song. Over songs it is
            always the median.
    """

    name: str
    mode: str
    window: float
    hop: float
    over_frames: str

    def describe(self) -> str:
        """Return the rule in words, for the caption of a table."""
        frames = f"{self.window:g} s frames"
        if self.hop != self.window:
            frames += f" every {self.hop:g} s"
        return f"median over songs of the {self.over_frames} over {frames}, BSSEval {self.mode}"


RULES = {
    rule.name: rule
    for rule in (
        # SiSEC 2018: Liutkus, Stöter and Ito, LVA/ICA 2018.
        Rule("museval", "v4", 1.0, 1.0, "median"),
        # SiSEC 2016: reproduces the campaign's published cells from its result files.
        Rule("dsd100", "v3", 30.0, 15.0, "mean"),
    )
}


def find_rule(rule: Rule | str) -> Rule:
    """Return a rule by name.

    Args:
        rule: Name of a rule, or a rule.

    Returns:
        The rule.

    Raises:
        InputError: If there is no such rule.
    """
    if isinstance(rule, Rule):
        return rule
    if rule not in RULES:
        raise InputError(f"unknown rule {rule!r}; choices: {', '.join(RULES)}")
    return RULES[rule]
