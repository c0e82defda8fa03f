"""M12 corrected: the unmap comes when the device has finished."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        cpu.store(buf := kmalloc(64, GFP_KERNEL), b"data" * 16)
        dma = dma_map_single(device.dev, buf, 64, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        first = device.read(dma, 64)
        again = device.read(dma, 64)
        dma_unmap_single(device.dev, dma, 64, DMA_TO_DEVICE)
        return first, again
