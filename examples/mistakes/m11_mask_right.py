"""M11 corrected: the mask says what the device can do."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        dma_set_mask(device.dev, DMA_BIT_MASK(32))
        cpu.store(buf := kmalloc(64, GFP_KERNEL), b"data" * 16)
        dma = dma_map_single(device.dev, buf, 64, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        data = device.read(DmaAddr(lower_32_bits(dma)), 64)     # the register has 32 bits
        dma_unmap_single(device.dev, dma, 64, DMA_TO_DEVICE)
        return data
