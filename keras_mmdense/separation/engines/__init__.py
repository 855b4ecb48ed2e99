"""Engines, which run the graph from windows of a waveform to stems."""
