"""M15 corrected: it takes the segments that there are."""

from kernel_api import *
from sim.device_end import DeviceEnd


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
        data = b"".join(device.read(sg_dma_address(sg), sg_dma_len(sg))
                        for sg, _ in for_each_sg(sgl, count))
        dma_unmap_sg(device.dev, sgl, 2, DMA_TO_DEVICE)
        return data
