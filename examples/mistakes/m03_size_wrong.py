"""M3: the size at unmap is not that of the map.

It shows on: non-coherent machines, and all that bounce: the tail is stale.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("D13",)
MISSING = "unmap with size=1024"


def main(kernel):
    with DeviceEnd(kernel) as device:
        buf = kzalloc(1024, GFP_KERNEL)
        dma = dma_map_single(device.dev, buf, 1024, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"new!" * 256)
        dma_unmap_single(device.dev, dma, 128, DMA_FROM_DEVICE)
        return cpu.load(buf, 1024)


def differs(cell):
    return not cell.coherent or cell.path == "swiotlb"
