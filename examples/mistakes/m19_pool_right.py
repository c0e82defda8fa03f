"""M19 corrected: it is freed when the device has written."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        pool = dma_pool_create("status", device.dev, 64, 64, 0)
        va, dma = dma_pool_alloc(pool, GFP_KERNEL)
        device.write(dma, bytes(16))
        dma_pool_free(pool, va, dma)
        again = [dma_pool_alloc(pool, GFP_KERNEL) for _ in range(2)]
        apart = int(again[1][0]) - int(again[0][0])
        for block in again:
            dma_pool_free(pool, *block)
        dma_pool_destroy(pool)
        return apart
