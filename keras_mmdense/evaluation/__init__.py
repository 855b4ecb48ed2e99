"""Scores of separated music: museval, oracles, tables and figures."""
