"""M13: no barrier between the stores of a descriptor and the doorbell.

It shows on: every machine whose stores wait in a buffer, as here.
"""

from kernel_api import *

#: Which checks report it, and what they say is missing.
CHECKS = ("X6",)
MISSING = "wmb"


def main(kernel):
    dev, regs = kernel.cdma.dev, kernel.cdma.regs
    va, dma = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    regs.cr.write(sg_mode=0)
    cpu.store(va, b"descriptor")
    regs.sa.write(addr=int(dma))
    regs.da.write(addr=int(dma) + 2048)
    regs.btt.write(bytes=16)                      # the doorbell
    while not regs.sr.read("idle"):
        pass
    seen = cpu.load(va + 2048, 10)
    dma_free_coherent(dev, 4096, va, dma)
    return seen


def differs(cell):
    return True
