"""From a waveform to stems."""
