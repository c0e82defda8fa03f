"""M21: a list is mapped again while it is mapped; the device has the first addresses.

It shows on: machines that bounce: the device's data lie in the first bounce memory.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X14",)
MISSING = "dma_unmap_sg"


def main(kernel):
    with DeviceEnd(kernel) as device:
        sgl = [Scatterlist()]
        sg_init_one(sgl, buf := kzalloc(256, GFP_KERNEL), 256)
        if not dma_map_sg(device.dev, sgl, 1, DMA_FROM_DEVICE):
            return None
        programmed = sg_dma_address(sgl[0])
        dma_map_sg(device.dev, sgl, 1, DMA_FROM_DEVICE)
        device.write(programmed, b"packet.." * 32)
        dma_unmap_sg(device.dev, sgl, 1, DMA_FROM_DEVICE)
        return cpu.load(buf, 256)


def differs(cell):
    return cell.path == "swiotlb"
