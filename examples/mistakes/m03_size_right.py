"""M3 corrected: the same size."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        buf = kzalloc(1024, GFP_KERNEL)
        dma = dma_map_single(device.dev, buf, 1024, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"new!" * 256)
        dma_unmap_single(device.dev, dma, 1024, DMA_FROM_DEVICE)
        return cpu.load(buf, 1024)
