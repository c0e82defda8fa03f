"""Simulation: benches, bus models, machines, and the command line."""
