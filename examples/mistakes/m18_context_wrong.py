"""M18: coherent memory is freed with interrupts off.

It shows on: no machine's data: the kernel warns, and real hardware may hang.
"""

from kernel_api import *

#: Which checks report it, and what they say is missing.
CHECKS = ("X9",)
MISSING = "process context"


def main(kernel):
    dev = kernel.cdma.dev
    va, dma = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    with atomic_context():
        dma_free_coherent(dev, 4096, va, dma)
    return int(va is not None)


def differs(cell):
    return False
