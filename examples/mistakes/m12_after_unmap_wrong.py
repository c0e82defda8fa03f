"""M12: the device goes on reading after the unmap.

It shows on: machines whose IOMMU is invalidated strictly; the others hide it.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X3",)
MISSING = "a wait for the device before the unmap"


def main(kernel):
    with DeviceEnd(kernel) as device:
        cpu.store(buf := kmalloc(64, GFP_KERNEL), b"data" * 16)
        dma = dma_map_single(device.dev, buf, 64, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        first = device.read(dma, 64)
        dma_unmap_single(device.dev, dma, 64, DMA_TO_DEVICE)
        again = device.read(dma, 64)
        return first, again


def differs(cell):
    return cell.path == "strict"
