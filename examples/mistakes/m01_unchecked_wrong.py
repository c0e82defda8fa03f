"""M1: the result of the map is not checked. It failed, and the device gets the failed handle.

It shows on: every machine: the device reads at the top of its address space.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X8",)
MISSING = "dma_mapping_error"


def main(kernel):
    with DeviceEnd(kernel) as device:
        cpu.store(buf := vmalloc(64), b"data" * 16)
        dma = dma_map_single(device.dev, buf, 64, DMA_TO_DEVICE)    # cannot be: not linear
        return device.read(dma, 64)


def differs(cell):
    return True
