"""M6 corrected: synced before it is read."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        buf = kzalloc(512, GFP_KERNEL)
        dma = dma_map_single(device.dev, buf, 512, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"packet.." * 64)
        dma_sync_single_for_cpu(device.dev, dma, 512, DMA_FROM_DEVICE)
        packet = cpu.load(buf, 512)
        dma_unmap_single(device.dev, dma, 512, DMA_FROM_DEVICE)
        return packet
