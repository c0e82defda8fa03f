"""M6: received data are read without dma_sync_single_for_cpu.

It shows on: non-coherent machines, where the lines are still cached, and all that bounce.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X2", "X11")
MISSING = "dma_sync_single_for_cpu"


def main(kernel):
    with DeviceEnd(kernel) as device:
        buf = kzalloc(512, GFP_KERNEL)
        dma = dma_map_single(device.dev, buf, 512, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"packet.." * 64)
        packet = cpu.load(buf, 512)
        dma_unmap_single(device.dev, dma, 512, DMA_FROM_DEVICE)
        return packet


def differs(cell):
    return not cell.coherent or cell.path == "swiotlb"
