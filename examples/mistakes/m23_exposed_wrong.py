"""M23: a secret lies in the page of a buffer.

It shows on: machines that do not bounce: the device can read all of the page.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X5",)
MISSING = "a page of its own, or Device(untrusted=True),"


def main(kernel):
    with DeviceEnd(kernel) as device:
        page = get_zeroed_page(GFP_KERNEL)
        key = page + 512
        cpu.store(key, b"the key of the house")
        kernel.cache.wback_inv_all()
        dma = dma_map_single(device.dev, page, 256, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        stolen = device.read(dma + 512, 20)                     # a curious device
        dma_unmap_single(device.dev, dma, 256, DMA_TO_DEVICE)
        return stolen


def differs(cell):
    return cell.path != "swiotlb"
