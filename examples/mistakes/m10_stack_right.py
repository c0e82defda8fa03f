"""M10 corrected: the reply is received into memory of kmalloc."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        reply = kmalloc(32, GFP_KERNEL)
        retries = kmalloc(4, GFP_KERNEL)
        cpu.store_le(retries, 3, 4)
        dma = dma_map_single(device.dev, reply, 32, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"reply..." * 4)
        cpu.store_le(retries, 2, 4)
        dma_unmap_single(device.dev, dma, 32, DMA_FROM_DEVICE)
        return cpu.load(reply, 32), cpu.load_le(retries, 4)
