"""M16: one map of 300 KiB, which bounce memory cannot hold.

It shows on: machines that bounce: the map fails.
"""

from kernel_api import *

#: Which checks report it, and what they say is missing.
CHECKS = ("X16",)
MISSING = "dma_max_mapping_size"


SIZE = 300 << 10


def main(kernel):
    dev, at = kernel.cdma.dev, 0
    buf = __get_free_pages(GFP_KERNEL, get_order(SIZE))
    while at < SIZE:
        part = SIZE
        dma = dma_map_single(dev, buf + at, part, DMA_TO_DEVICE)
        if dma_mapping_error(dev, dma):
            break
        dma_unmap_single(dev, dma, part, DMA_TO_DEVICE)
        at += part
    return at


def differs(cell):
    return cell.path == "swiotlb"
