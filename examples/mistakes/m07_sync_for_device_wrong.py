"""M7: the CPU writes a mapped buffer and does not sync it for the device.

It shows on: non-coherent machines until the lines happen to be evicted, and all that bounce.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X2",)
MISSING = "dma_sync_single_for_device"


def main(kernel):
    with DeviceEnd(kernel) as device:
        buf = kzalloc(512, GFP_KERNEL)
        dma = dma_map_single(device.dev, buf, 512, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        cpu.store(buf, b"packet.." * 64)
        packet = device.read(dma, 512)
        dma_unmap_single(device.dev, dma, 512, DMA_TO_DEVICE)
        return packet


def differs(cell):
    return not cell.coherent or cell.path == "swiotlb"
