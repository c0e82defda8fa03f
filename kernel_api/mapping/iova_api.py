"""Mapping in two steps: take I/O virtual addresses, then link memory to them (R125, R126).

Source: Linux ``Documentation/core-api/dma-api.rst``, part Id, "IOVA"; ``drivers/iommu/dma-iommu.c``
(behaviour).
"""

from dataclasses import dataclass, field

from ..core.addresses import PAGE_SIZE, DmaAddr, PhysAddr, page_align
from ..core.attrs import DMA_ATTR_MMIO, DMA_ATTR_SKIP_CPU_SYNC, check_direction
from ..core.dma_attrs import DmaAttrs, attr_mask
from ..core.errno import EIO, EPERM
from ..device.device import Device
from ..device.masks import dma_get_mask
from ..ops.iommu import PROT
from ..ops.maintenance import sync_for_cpu, sync_for_device

__all__ = ["DmaIovaState", "dma_iova_destroy", "dma_iova_free", "dma_iova_link", "dma_iova_size",
           "dma_iova_sync", "dma_iova_try_alloc", "dma_iova_unlink", "dma_use_iova"]


@dataclass
class DmaIovaState:
    """A range of I/O virtual addresses.

    Parameters
    ----------
    addr : DmaAddr
        First byte for the device: with the offset in its page that the memory has.
    size : int
        Bytes; 0: nothing was taken.
    """

    addr: DmaAddr = field(default_factory=DmaAddr)
    size: int = 0


def dma_iova_try_alloc(dev: Device, state: DmaIovaState, phys: PhysAddr, size: int) -> bool:
    """Take addresses for ``size`` bytes. False without IOMMU or room: then use ``dma_map_...``.

    Only the offset of ``phys`` in its page matters.
    """
    state.addr, state.size = DmaAddr(0), 0
    if dev.dma_ops is not dev.kernel.iommu_ops or size <= 0:
        return False
    offset = int(phys) % PAGE_SIZE
    iova = dev.dma_ops.alloc_iova(dev, page_align(size + offset), dma_get_mask(dev))
    if iova is None:
        return False
    state.addr, state.size = DmaAddr(iova + offset), size
    return True


def dma_use_iova(state: DmaIovaState) -> bool:
    """Whether addresses were taken."""
    return bool(state.size)


def dma_iova_size(state: DmaIovaState) -> int:
    """Bytes that were taken."""
    return state.size


def dma_iova_link(dev: Device, state: DmaIovaState, phys: PhysAddr, offset: int, size: int,
                  direction: int, attrs: DmaAttrs | int | None) -> int:
    """Let the addresses from ``offset`` on lead to ``size`` bytes of memory.

    Only the first piece may begin, and only the last may end, inside a page.

    Returns
    -------
    int
        0; ``-EIO`` if the piece does not lie in its page as the addresses do; ``-EPERM`` if it
        would have to be bounced; the error of the page tables.
    """
    direction, attrs = check_direction(direction), attr_mask(attrs)
    start = state.addr + offset
    if (int(phys) - int(start)) % PAGE_SIZE or (offset and int(start) % PAGE_SIZE):
        return -EIO
    if dev.dma_ops.must_bounce(dev, phys, size, direction):
        return -EPERM
    if not attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO):
        sync_for_device(dev, phys, size, direction)
    head = int(phys) % PAGE_SIZE
    return dev.iommu_domain.map(int(start) - head, phys - head, page_align(size + head),
                                PROT[direction])


def dma_iova_sync(dev: Device, state: DmaIovaState, offset: int, size: int) -> int:
    """Make what was linked known to the IOMMU. 0; this one never caches what is not mapped."""
    return 0


def dma_iova_unlink(dev: Device, state: DmaIovaState, offset: int, size: int, direction: int,
                    attrs: DmaAttrs | int | None) -> None:
    """Undo links, at once; the addresses stay taken."""
    direction, attrs = check_direction(direction), attr_mask(attrs)
    start = int(state.addr) + offset
    low, high = start - start % PAGE_SIZE, page_align(start + size)
    if not attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO):
        at = start
        while at < start + size:
            count = min(PAGE_SIZE - at % PAGE_SIZE, start + size - at)
            phys = dev.dma_ops.to_phys(dev, DmaAddr(at))
            if phys is not None:
                sync_for_cpu(dev, phys, count, direction)
            at += count
    dev.iommu_domain.unmap(low, high - low)


def dma_iova_free(dev: Device, state: DmaIovaState) -> None:
    """Give the addresses back; nothing may be linked."""
    low = int(state.addr) - int(state.addr) % PAGE_SIZE
    dev.dma_ops.free_iova(dev, low, page_align(int(state.addr) + state.size) - low)
    state.size = 0


def dma_iova_destroy(dev: Device, state: DmaIovaState, mapped_len: int, direction: int,
                     attrs: DmaAttrs | int | None) -> None:
    """Undo the first ``mapped_len`` bytes of links, and give the addresses back."""
    if mapped_len:
        dma_iova_unlink(dev, state, 0, mapped_len, direction, attrs)
    dma_iova_free(dev, state)
