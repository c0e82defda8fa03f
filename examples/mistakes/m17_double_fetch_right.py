"""M17 corrected: it is read once, and that value is checked and used."""

from kernel_api import *
from sim.device_end import DeviceEnd

LIMIT = 64


def main(kernel):
    with DeviceEnd(kernel) as device:
        ring, dma = dma_alloc_coherent(device.dev, 4096, GFP_KERNEL)
        data = kzalloc(4096, GFP_KERNEL)
        device.write(dma, (16).to_bytes(4, "little"))
        length = cpu.load_le(ring, 4)
        ok = length <= LIMIT
        device.write(dma, (4000).to_bytes(4, "little"))         # a hostile device
        copied = cpu.load(data, length) if ok else b""
        dma_free_coherent(device.dev, 4096, ring, dma)
        return len(copied)
