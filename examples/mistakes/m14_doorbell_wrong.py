"""M14: the device is started before the sync.

It shows on: non-coherent machines, where the device overtakes the clean, and all that bounce.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X2",)
MISSING = "dma_sync_single_for_device"


def main(kernel):
    with DeviceEnd(kernel) as device:
        dev, size = device.dev, 4096
        src, dst = kzalloc(size, GFP_KERNEL), kzalloc(size, GFP_KERNEL)
        a = dma_map_single(dev, src, size, DMA_TO_DEVICE)
        b = dma_map_single(dev, dst, size, DMA_FROM_DEVICE)
        if dma_mapping_error(dev, a) or dma_mapping_error(dev, b):
            return None
        dma_sync_single_for_cpu(dev, a, size, DMA_TO_DEVICE)
        cpu.store(src, b"new!" * (size // 4))
        job = kernel.cdma.submit([(a, b, size)])
        dma_sync_single_for_device(dev, a, size, DMA_TO_DEVICE)
        kernel.cdma.wait(job)
        dma_unmap_single(dev, a, size, DMA_TO_DEVICE)
        dma_unmap_single(dev, b, size, DMA_FROM_DEVICE)
        return cpu.load(dst, size)


def differs(cell):
    return not cell.coherent or cell.path == "swiotlb"
