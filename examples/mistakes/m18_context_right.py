"""M18 corrected: it is freed in process context."""

from kernel_api import *


def main(kernel):
    dev = kernel.cdma.dev
    va, dma = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    dma_free_coherent(dev, 4096, va, dma)
    return int(va is not None)
