"""Lending a mapped buffer to the CPU, and giving it back to the device.

Source: Linux ``Documentation/core-api/dma-api.rst``, part Id; rules R64 to R66 and R91 to R102.
"""

from ..core.addresses import DmaAddr
from ..core.attrs import check_direction
from ..core.tell import tell
from ..device.device import Device
from ..device.mappings import Kind, Mapping
from ..ops.maintenance import sync_for_cpu, sync_for_device
from ..ops.swiotlb import is_swiotlb_buffer

__all__ = ["dma_dev_need_sync", "dma_need_sync", "dma_need_unmap", "dma_sync_single_for_cpu",
           "dma_sync_single_for_device", "dma_sync_single_range_for_cpu",
           "dma_sync_single_range_for_device"]


def dma_need_sync(dev: Device, dma: DmaAddr) -> bool:
    """Whether sync calls for this handle do anything: not coherent, or bounced (R74)."""
    phys = dev.dma_ops.to_phys(dev, DmaAddr.check(dma))
    return not dev.dma_coherent or (phys is not None and is_swiotlb_buffer(dev, phys))


def dma_dev_need_sync(dev: Device) -> bool:
    """Whether sync calls for this device may do anything (R74)."""
    return not dev.dma_skip_sync


def dma_need_unmap(dev: Device) -> bool:
    """Whether unmapping has an effect: not if it is direct, needs no sync, and nobody watches."""
    kernel = dev.kernel
    return dev.dma_ops is not kernel.direct_ops or not dev.dma_skip_sync or bool(kernel.checkers)


def _sync(dev: Device, dma: DmaAddr, size: int, direction: int, *, for_cpu: bool) -> None:
    direction = check_direction(direction)
    claimed = Mapping(dev, Kind.SINGLE, DmaAddr.check(dma), None, size, direction)
    tell(dev.kernel, "syncing", dev, claimed, for_cpu=for_cpu)
    phys = dev.dma_ops.to_phys(dev, dma)
    if phys is not None:
        (sync_for_cpu if for_cpu else sync_for_device)(dev, phys, size, direction)
    dev.kernel.stats.syncs += 1
    tell(dev.kernel, "synced", dev, claimed, for_cpu=for_cpu)


def dma_sync_single_for_cpu(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Let the CPU read what the device wrote. The range may be a part of what was mapped."""
    _sync(dev, dma, size, direction, for_cpu=True)


def dma_sync_single_for_device(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Let the device read what the CPU wrote. The range may be a part of what was mapped."""
    _sync(dev, dma, size, direction, for_cpu=False)


def dma_sync_single_range_for_cpu(dev: Device, dma: DmaAddr, offset: int, size: int,
                                  direction: int) -> None:
    """Let the CPU read ``size`` bytes, ``offset`` bytes into the mapping."""
    dma_sync_single_for_cpu(dev, DmaAddr.check(dma) + offset, size, direction)


def dma_sync_single_range_for_device(dev: Device, dma: DmaAddr, offset: int, size: int,
                                     direction: int) -> None:
    """Let the device read ``size`` bytes, ``offset`` bytes into the mapping."""
    dma_sync_single_for_device(dev, DmaAddr.check(dma) + offset, size, direction)
