"""Where devices without IOMMU see memory: bus addresses, and their limits.

Source: rules R19 and R69.
"""


from ..core.addresses import DmaAddr, PhysAddr
from ..core.attrs import DMA_MAPPING_ERROR
from ..core.errno import EINVAL
from .device import Device

__all__ = ["dma_direct_set_offset", "dma_to_phys", "phys_to_dma", "reaches"]


def phys_to_dma(dev: Device, phys: PhysAddr) -> DmaAddr:
    """Address that a device uses for a byte of memory; ``DMA_MAPPING_ERROR`` if it sees it not."""
    for start, bus, size in dev.dma_range_map:
        if start <= phys < start + size:
            return DmaAddr(bus + (phys - start))
    if dev.dma_range_map:
        return DMA_MAPPING_ERROR
    return DmaAddr(int(phys) - dev.dma_offset & (1 << 64) - 1)


def dma_to_phys(dev: Device, dma: DmaAddr) -> PhysAddr | None:
    """Byte of memory that a device means; None if none."""
    for start, bus, size in dev.dma_range_map:
        if bus <= dma < bus + size:
            return start + (int(dma) - bus)
    if dev.dma_range_map:
        return None
    return PhysAddr(int(dma) + dev.dma_offset & (1 << 64) - 1)


def dma_direct_set_offset(dev: Device, cpu_start: PhysAddr, dma_start: int, size: int) -> int:
    """Let a device see one range of memory at another address. 0; ``-EINVAL`` if it has ranges."""
    if dev.dma_range_map:
        return -EINVAL
    if int(PhysAddr.check(cpu_start)) != dma_start:
        dev.dma_range_map = [(cpu_start, dma_start, size)]
    return 0


def reaches(dev: Device, mask: int, dma: DmaAddr, size: int) -> bool:
    """Whether mask and bus let the device reach all of a range (R19)."""
    if dma == DMA_MAPPING_ERROR:
        return False
    limit = min(mask, dev.bus_dma_limit) if dev.bus_dma_limit else mask
    return dma + size - 1 <= limit and int(dma) + size <= 1 << 64
