"""M9 corrected: the counter lies in a line of its own."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        packet = kzalloc(2 * ARCH_DMA_MINALIGN, GFP_KERNEL)     # 8 bytes of data, then a counter
        counter = packet + ARCH_DMA_MINALIGN
        dma = dma_map_single(device.dev, packet, 8, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"received")
        cpu.store_le(counter, cpu.load_le(counter, 4) + 1, 4)
        dma_unmap_single(device.dev, dma, 8, DMA_FROM_DEVICE)
        return cpu.load(packet, 8), cpu.load_le(counter, 4)
