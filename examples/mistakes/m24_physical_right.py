"""M24 corrected: the handle of the map is given."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        cpu.store(buf := kmalloc(64, GFP_KERNEL), b"data" * 16)
        dma = dma_map_single(device.dev, buf, 64, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        data = device.read(dma, 64)
        dma_unmap_single(device.dev, dma, 64, DMA_TO_DEVICE)
        return data
