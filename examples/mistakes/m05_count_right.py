"""M5 corrected: as many segments as dma_map_sg returned, each with its DMA length."""

from kernel_api import *
from sim.device_end import DeviceEnd


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
        seen = b""
        for sg, _ in for_each_sg(sgl, count):
            seen += device.read(sg_dma_address(sg), sg_dma_len(sg))
        dma_unmap_sg(device.dev, sgl, 3, DMA_TO_DEVICE)
        return seen
