"""Measures the engines beside pysim."""
