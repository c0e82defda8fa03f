"""M19: a pool block is freed while the device still writes its status there.

It shows on: every machine: the list of free blocks is destroyed.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X15",)
MISSING = "a wait for the device before dma_pool_free"


def main(kernel):
    with DeviceEnd(kernel) as device:
        pool = dma_pool_create("status", device.dev, 64, 64, 0)
        va, dma = dma_pool_alloc(pool, GFP_KERNEL)
        dma_pool_free(pool, va, dma)
        device.write(dma, bytes(16))
        again = [dma_pool_alloc(pool, GFP_KERNEL) for _ in range(2)]
        apart = int(again[1][0]) - int(again[0][0])
        for block in again:
            dma_pool_free(pool, *block)
        dma_pool_destroy(pool)
        return apart


def differs(cell):
    return True
