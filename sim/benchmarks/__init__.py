"""Cycles of this build, counted in simulation, beside the figures of its peers."""
