"""M7 corrected: the store lies between two syncs."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        buf = kzalloc(512, GFP_KERNEL)
        dma = dma_map_single(device.dev, buf, 512, DMA_TO_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        dma_sync_single_for_cpu(device.dev, dma, 512, DMA_TO_DEVICE)
        cpu.store(buf, b"packet.." * 64)
        dma_sync_single_for_device(device.dev, dma, 512, DMA_TO_DEVICE)
        packet = device.read(dma, 512)
        dma_unmap_single(device.dev, dma, 512, DMA_TO_DEVICE)
        return packet
