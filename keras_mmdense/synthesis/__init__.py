"""Synthesized music: a song is planned, its parts written, its instruments and voice played."""
