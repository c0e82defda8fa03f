"""M4 corrected: the count of the map call."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        sgl = [Scatterlist() for _ in range(3)]
        sg_init_table(sgl, 3)
        pages = [get_zeroed_page(GFP_KERNEL) for _ in range(5)]
        for sg, page in zip(sgl, pages[::2], strict=True):
            sg_set_buf(sg, page, PAGE_SIZE)
        count = dma_map_sg(device.dev, sgl, 3, DMA_FROM_DEVICE)
        if not count:
            return None
        for sg, _ in for_each_sg(sgl, count):
            device.write(sg_dma_address(sg), b"new!" * (sg_dma_len(sg) // 4))
        dma_unmap_sg(device.dev, sgl, 3, DMA_FROM_DEVICE)
        return sg_copy_to_buffer(sgl, 3, 3 * PAGE_SIZE)
