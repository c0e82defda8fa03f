"""M16 corrected: pieces of at most dma_max_mapping_size()."""

from kernel_api import *

SIZE = 300 << 10


def main(kernel):
    dev, at = kernel.cdma.dev, 0
    buf = __get_free_pages(GFP_KERNEL, get_order(SIZE))
    while at < SIZE:
        part = min(SIZE - at, dma_max_mapping_size(dev))
        dma = dma_map_single(dev, buf + at, part, DMA_TO_DEVICE)
        if dma_mapping_error(dev, dma):
            break
        dma_unmap_single(dev, dma, part, DMA_TO_DEVICE)
        at += part
    return at
