"""Synthesized music: planning a song, writing its parts, playing instruments and voice."""
