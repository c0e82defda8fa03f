"""Drivers of the three blocks."""
