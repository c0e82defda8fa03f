"""Amaranth's simulator on a compiled model: time, processes, triggers, waveforms."""
