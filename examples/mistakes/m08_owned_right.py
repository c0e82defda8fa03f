"""M8 corrected: the CPU keeps away until the unmap."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        buf = kzalloc(512, GFP_KERNEL)
        dma = dma_map_single(device.dev, buf, 512, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"packet.." * 64)
        cpu.load(__get_free_pages(GFP_KERNEL, 4), 64 << 10)      # other work evicts the lines
        dma_unmap_single(device.dev, dma, 512, DMA_FROM_DEVICE)
        return cpu.load(buf, 512)
