"""M20 corrected: it is synced before each look."""

from kernel_api import *
from sim.device_end import DeviceEnd


def main(kernel):
    with DeviceEnd(kernel) as device:
        flag = kzalloc(64, GFP_KERNEL)
        dma = dma_map_single(device.dev, flag, 64, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"done")
        for _ in range(100):
            dma_sync_single_for_cpu(device.dev, dma, 64, DMA_FROM_DEVICE)
            if cpu.load(flag, 4) == b"done":
                seen = "done"
                break
        else:
            seen = "timeout"
        dma_unmap_single(device.dev, dma, 64, DMA_FROM_DEVICE)
        return seen
