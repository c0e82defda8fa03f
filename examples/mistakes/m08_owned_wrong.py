"""M8: the CPU writes a buffer that the device is about to fill.

It shows on: non-coherent machines without bounce memory: the write-back lands on the device's data.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X1",)
MISSING = "dma_sync_single_for_cpu before and dma_sync_single_for_device after"


def main(kernel):
    with DeviceEnd(kernel) as device:
        buf = kzalloc(512, GFP_KERNEL)
        dma = dma_map_single(device.dev, buf, 512, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        cpu.store(buf, b"empty")
        device.write(dma, b"packet.." * 64)
        cpu.load(__get_free_pages(GFP_KERNEL, 4), 64 << 10)      # other work evicts the lines
        dma_unmap_single(device.dev, dma, 512, DMA_FROM_DEVICE)
        return cpu.load(buf, 512)


def differs(cell):
    return not cell.coherent and cell.path != "swiotlb"
