"""Scatter-gather DMA engine (AXI CDMA registers and descriptors)."""
