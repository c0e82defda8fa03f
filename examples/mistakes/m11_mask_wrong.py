"""M11: the mask says 64 bits, the device's address register has 32.

It shows on: machines with an IOMMU, which hands out high addresses.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X3",)
MISSING = "dma_set_mask of 32 bits"


def main(kernel):
    with DeviceEnd(kernel) as device:
        dma_set_mask(device.dev, DMA_BIT_MASK(64))
        cpu.store(buf := kmalloc(64, GFP_KERNEL), b"data" * 16)
        dma = dma_map_single(device.dev, buf, 64, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        data = device.read(DmaAddr(lower_32_bits(dma)), 64)     # the register has 32 bits
        dma_unmap_single(device.dev, dma, 64, DMA_TO_DEVICE)
        return data


def differs(cell):
    return cell.translated
