"""M5: the hardware is programmed for each entry of the list, and not for each segment.

It shows on: machines with an IOMMU, which joins the entries.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X12",)
MISSING = "the count of dma_map_sg, not nents,"


def main(kernel):
    with DeviceEnd(kernel) as device:
        sgl = [Scatterlist() for _ in range(3)]
        sg_init_table(sgl, 3)
        pages = [get_zeroed_page(GFP_KERNEL) for _ in range(5)]
        for sg, page in zip(sgl, pages[::2], strict=True):
            cpu.store(page, b"data" * 1024)
            sg_set_buf(sg, page, PAGE_SIZE)
        count = dma_map_sg(device.dev, sgl, 3, DMA_TO_DEVICE)
        if not count:
            return None
        seen = []
        for sg in sgl:
            seen.append(device.read(sg_dma_address(sg), sg.length))
            if seen[-1] == "refused":
                break
        seen = "refused" if "refused" in seen else b"".join(seen)
        dma_unmap_sg(device.dev, sgl, 3, DMA_TO_DEVICE)
        return seen


def differs(cell):
    return cell.translated
