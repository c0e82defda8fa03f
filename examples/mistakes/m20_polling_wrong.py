"""M20: a streaming buffer is polled as if it were coherent.

It shows on: non-coherent machines, where it never ends, and all that bounce.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X2", "X11")
MISSING = "dma_sync_single_for_cpu"


def main(kernel):
    with DeviceEnd(kernel) as device:
        flag = kzalloc(64, GFP_KERNEL)
        dma = dma_map_single(device.dev, flag, 64, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"done")
        for _ in range(100):
            if cpu.load(flag, 4) == b"done":
                seen = "done"
                break
        else:
            seen = "timeout"
        dma_unmap_single(device.dev, dma, 64, DMA_FROM_DEVICE)
        return seen


def differs(cell):
    return not cell.coherent or cell.path == "swiotlb"
