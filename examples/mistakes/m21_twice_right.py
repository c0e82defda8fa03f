"""M21 corrected: it is mapped once."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        sgl = [Scatterlist()]
        sg_init_one(sgl, buf := kzalloc(256, GFP_KERNEL), 256)
        if not dma_map_sg(device.dev, sgl, 1, DMA_FROM_DEVICE):
            return None
        programmed = sg_dma_address(sgl[0])
        device.write(programmed, b"packet.." * 32)
        dma_unmap_sg(device.dev, sgl, 1, DMA_FROM_DEVICE)
        return cpu.load(buf, 256)
