"""M10: a reply is received into a variable on the stack, beside another one.

It shows on: non-coherent machines with lines of more than 32 bytes, unless they bounce.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("D3",)
MISSING = "kmalloc"



def main(kernel):
    with DeviceEnd(kernel) as device:
        reply = on_stack(32)
        retries = on_stack(4)
        cpu.store_le(retries, 3, 4)
        dma = dma_map_single(device.dev, reply, 32, DMA_FROM_DEVICE)
        if dma_mapping_error(device.dev, dma):
            return None
        device.write(dma, b"reply..." * 4)
        cpu.store_le(retries, 2, 4)
        dma_unmap_single(device.dev, dma, 32, DMA_FROM_DEVICE)
        return cpu.load(reply, 32), cpu.load_le(retries, 4)


def differs(cell):
    return cell.cache in ("64", "128") and cell.path != "swiotlb"
