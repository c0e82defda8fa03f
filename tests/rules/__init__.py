"""What the DMA API promises, by number, and which tests hold each promise."""
