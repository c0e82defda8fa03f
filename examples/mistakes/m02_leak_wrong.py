"""M2: packets are mapped and never unmapped. Addresses, or bounce memory, run out.

It shows on: machines with an IOMMU or bounce memory: after some packets, no more go out.
"""

from kernel_api import *

#: Which checks report it, and what they say is missing.
CHECKS = ("D26",)
MISSING = "dma_unmap_single"


SIZE = 16 << 10


def main(kernel):
    dev, sent = kernel.cdma.dev, 0
    # The device has 20 address lines, where an IOMMU makes that possible.
    dma_set_mask(dev, DMA_BIT_MASK(20 if iommu_get_domain_for_dev(dev) else 32))
    buf = __get_free_pages(GFP_KERNEL, get_order(SIZE))
    for _ in range(70):
        dma = dma_map_single(dev, buf, SIZE, DMA_TO_DEVICE)
        if dma_mapping_error(dev, dma):
            break
        sent += 1
    return sent


def differs(cell):
    return cell.translated or cell.path == "swiotlb"
