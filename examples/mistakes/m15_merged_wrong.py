"""M15: the driver counts on the list being joined to one segment.

It shows on: machines without IOMMU, which join nothing; bounce memory may happen to lie in a row.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X3",)
MISSING = "a transfer for each segment, with sg_dma_len,"


def main(kernel):
    with DeviceEnd(kernel) as device:
        sgl = [Scatterlist() for _ in range(2)]
        sg_init_table(sgl, 2)
        block = __get_free_pages(GFP_KERNEL, 2)
        for sg, page, text in zip(sgl, (block, block + 2 * PAGE_SIZE), (b"one.", b"two."),
                                  strict=True):
            cpu.store(page, text * 1024)
            sg_set_buf(sg, page, PAGE_SIZE)
        count = dma_map_sg(device.dev, sgl, 2, DMA_TO_DEVICE)
        if not count:
            return None
        data = device.read(sg_dma_address(sgl[0]), 2 * PAGE_SIZE)
        dma_unmap_sg(device.dev, sgl, 2, DMA_TO_DEVICE)
        return data


def differs(cell):
    return cell.path in ("direct", "offset")
