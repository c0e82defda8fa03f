"""Mapping without an IOMMU: the DMA address is the physical address."""

from typing import TYPE_CHECKING

from .addresses import PAGE_SHIFT, DmaAddr, PhysAddr
from .attrs import (
    DMA_ATTR_MMIO,
    DMA_ATTR_NO_WARN,
    DMA_ATTR_SKIP_CPU_SYNC,
    DMA_BIT_MASK,
    DMA_MAPPING_ERROR,
    SIZE_MAX,
    Dir,
)
from .buddy import Page
from .dma_ops import sync_for_cpu, sync_for_device
from .errno import EIO
from .gfp import Gfp
from .log import dev_warn
from .pages import alloc_pages, page_to_phys

if TYPE_CHECKING:
    from .device import Device
    from .kernel import Kernel
    from .scatterlist import Scatterlist

__all__ = ["DirectOps"]


def _reaches(dev: "Device", mask: int, dma: int, size: int) -> bool:
    limit = min(mask, dev.bus_dma_limit) if dev.bus_dma_limit else mask
    return dma + size - 1 <= limit


class DirectOps:
    """See :class:`kernel_api.dma_ops.DmaOps`. Memory out of reach is refused: nothing bounces."""

    def __init__(self, kernel: "Kernel"):
        self._kernel = kernel

    def map_phys(self, dev: "Device", phys: PhysAddr, size: int, direction: Dir,
                 attrs: int) -> DmaAddr:
        """Check that the device reaches the range, and clean it from the cache."""
        dma = DmaAddr(int(phys))
        if not _reaches(dev, dev.dma_mask, dma, size):
            if not attrs & DMA_ATTR_NO_WARN:
                dev_warn(dev, "DMA addr %#x+%d overflow (mask %#x, bus limit %#x)", dma, size,
                         dev.dma_mask, dev.bus_dma_limit)
            return DMA_MAPPING_ERROR
        if not attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO):
            sync_for_device(dev, phys, size, direction)
        return dma

    def unmap_phys(self, dev: "Device", dma: DmaAddr, size: int, direction: Dir,
                   attrs: int) -> None:
        """Invalidate the range if the device may have written it."""
        if not attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO):
            sync_for_cpu(dev, PhysAddr(int(dma)), size, direction)

    def map_sg(self, dev: "Device", entries: list["Scatterlist"], direction: Dir,
               attrs: int) -> int:
        """Map entry by entry, never joining any (R110). All or nothing: ``-EIO``."""
        for index, sg in enumerate(entries):
            sg.dma_address = self.map_phys(dev, sg.phys, sg.length, direction, attrs)
            if sg.dma_address == DMA_MAPPING_ERROR:
                self.unmap_sg(dev, entries[:index], direction, attrs | DMA_ATTR_SKIP_CPU_SYNC)
                for item in entries[:index + 1]:
                    item.dma_address, item.dma_length = DMA_MAPPING_ERROR, 0
                return -EIO
            sg.dma_length = sg.length
        return len(entries)

    def unmap_sg(self, dev: "Device", entries: list["Scatterlist"], direction: Dir,
                 attrs: int) -> None:
        """Undo entry by entry."""
        for sg in entries:
            self.unmap_phys(dev, sg.dma_address, sg.dma_length, direction, attrs)

    def to_phys(self, dev: "Device", dma: DmaAddr) -> PhysAddr | None:
        """Give the same number."""
        return PhysAddr(int(dma))

    def alloc_pages(self, dev: "Device", order: int, gfp: int) -> Page | None:
        """Take pages within the coherent mask: where the mask suggests, then below 4 GiB (R35)."""
        size = 1 << PAGE_SHIFT + order
        wide = dev.coherent_dma_mask > DMA_BIT_MASK(32)
        for flags in (Gfp.NOWARN, Gfp.DMA32) if wide else (Gfp.DMA32,):
            page = alloc_pages(gfp | flags, order)
            if page is None:
                continue
            if _reaches(dev, dev.coherent_dma_mask, page_to_phys(page), size):
                return page
            self._kernel.pages.free(page, order)
        return None

    def map_coherent(self, dev: "Device", phys: PhysAddr, size: int) -> DmaAddr:
        """Nothing to do: :meth:`alloc_pages` checked the reach."""
        return DmaAddr(int(phys))

    def unmap_coherent(self, dev: "Device", dma: DmaAddr, size: int) -> None:
        """Nothing to undo."""

    def _top(self) -> int:
        return self._kernel.pages.end_pfn - 1 << PAGE_SHIFT

    def supported(self, dev: "Device", mask: int) -> bool:
        """Any mask of 32 bits, and a smaller one that reaches all memory or 16 MiB (R16)."""
        return mask >= DMA_BIT_MASK(32) or mask >= min(self._top(), DMA_BIT_MASK(24))

    def required_mask(self, dev: "Device") -> int:
        """All ones up to the highest bit of the last page's address (R18)."""
        return DMA_BIT_MASK(self._top().bit_length())

    def opt_mapping_size(self, dev: "Device") -> int:
        """No limit."""
        return SIZE_MAX

    def merge_boundary(self, dev: "Device") -> int:
        """0: cannot merge."""
        return 0
