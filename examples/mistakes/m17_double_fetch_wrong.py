"""M17: a length that the device can change is checked, and then read again.

It shows on: every machine.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X13",)
MISSING = "a check of the value"


LIMIT = 64


def main(kernel):
    with DeviceEnd(kernel) as device:
        ring, dma = dma_alloc_coherent(device.dev, 4096, GFP_KERNEL)
        data = kzalloc(4096, GFP_KERNEL)
        device.write(dma, (16).to_bytes(4, "little"))
        ok = cpu.load_le(ring, 4) <= LIMIT
        device.write(dma, (4000).to_bytes(4, "little"))         # a hostile device
        copied = cpu.load(data, cpu.load_le(ring, 4)) if ok else b""
        dma_free_coherent(device.dev, 4096, ring, dma)
        return len(copied)


def differs(cell):
    return True
