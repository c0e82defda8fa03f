"""The Linux DMA API and its drivers. Never imports Amaranth: hardware is registers and memory."""
