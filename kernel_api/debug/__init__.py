"""Who watches: dma-debug, and the ownership checker."""
