"""The port of coherent devices."""
