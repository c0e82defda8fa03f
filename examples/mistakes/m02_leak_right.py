"""M2 corrected: each packet is unmapped when it was sent."""

from kernel_api import *

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
        dma_unmap_single(dev, dma, SIZE, DMA_TO_DEVICE)
    return sent
