"""Buffers in pieces: scatterlists and what is done with them, mapped or not."""
