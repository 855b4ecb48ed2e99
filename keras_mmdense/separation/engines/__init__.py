"""Engines: what runs the graph from windows of a waveform to stems."""
