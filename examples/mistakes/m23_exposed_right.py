"""M23 corrected: the page holds the buffer alone, and is mapped whole."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        page = get_zeroed_page(GFP_KERNEL)
        key = get_zeroed_page(GFP_KERNEL)
        cpu.store(key, b"the key of the house")
        kernel.cache.wback_inv_all()
        dma = dma_map_single(device.dev, page, PAGE_SIZE, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        stolen = device.read(dma + 512, 20)                     # a curious device
        dma_unmap_single(device.dev, dma, PAGE_SIZE, DMA_TO_DEVICE)
        return stolen
