"""M24: the physical address is given to the device.

It shows on: all but coherent machines whose devices see memory where the CPU does.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Which checks report it, and what they say is missing.
CHECKS = ("X3",)
MISSING = "dma_map_single"


def main(kernel):
    with DeviceEnd(kernel) as device:
        cpu.store(buf := kmalloc(64, GFP_KERNEL), b"data" * 16)
        return device.read(DmaAddr(int(virt_to_phys(buf))), 64)


def differs(cell):
    return cell.path in ("offset", "strict", "deferred") or not cell.coherent
