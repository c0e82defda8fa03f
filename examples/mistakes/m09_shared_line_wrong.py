"""M9: the buffer shares a cache line with a counter of the driver.

It shows on: non-coherent machines without bounce memory: one of the two stores is lost.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X4",)
MISSING = "alignment to dma_get_cache_alignment"


def main(kernel):
    with DeviceEnd(kernel) as device:
        packet = kzalloc(16, GFP_KERNEL)     # 8 bytes of data, then a counter
        counter = packet + 8
        dma = dma_map_single(device.dev, packet, 8, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"received")
        cpu.store_le(counter, cpu.load_le(counter, 4) + 1, 4)
        dma_unmap_single(device.dev, dma, 8, DMA_FROM_DEVICE)
        return cpu.load(packet, 8), cpu.load_le(counter, 4)


def differs(cell):
    return not cell.coherent and cell.path != "swiotlb"
