"""Scores of separated music: BSSEval, oracles and results files."""
