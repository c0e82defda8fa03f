"""M22 corrected: the sync is done by hand."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        cpu.store(buf := kmalloc(512, GFP_KERNEL), b"packet.." * 64)
        dma = dma_map_single_attrs(device.dev, buf, 512, DMA_TO_DEVICE, DMA_ATTR_SKIP_CPU_SYNC)
        if dma_mapping_error(device.dev, dma):
            return None
        dma_sync_single_for_device(device.dev, dma, 512, DMA_TO_DEVICE)
        packet = device.read(dma, 512)
        dma_unmap_single_attrs(device.dev, dma, 512, DMA_TO_DEVICE, DMA_ATTR_SKIP_CPU_SYNC)
        return packet
