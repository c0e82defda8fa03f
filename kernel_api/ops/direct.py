"""Mapping without an IOMMU: the DMA address is the physical one, less an offset of the bus.

Memory out of the device's reach is bounced, if there is bounce memory, or refused (R20).
"""


from ..core.addresses import PAGE_SHIFT, DmaAddr, PhysAddr
from ..core.attrs import (
    DMA_ATTR_MMIO,
    DMA_ATTR_NO_WARN,
    DMA_ATTR_REQUIRE_COHERENT,
    DMA_ATTR_SKIP_CPU_SYNC,
    DMA_BIT_MASK,
    DMA_MAPPING_ERROR,
    SIZE_MAX,
    Dir,
)
from ..core.errno import EIO, EREMOTEIO
from ..core.gfp import Gfp
from ..core.kernel import Kernel
from ..device.device import Device
from ..device.direct_ranges import dma_to_phys, phys_to_dma, reaches
from ..device.messages import dev_warn
from ..memory.buddy import Page
from ..memory.pages import alloc_pages, page_to_phys
from ..sg.scatterlist import Scatterlist
from .maintenance import clean_for_device, sync_for_cpu
from .p2p import P2pPage
from .swiotlb import (
    dma_kmalloc_needs_bounce,
    is_swiotlb_buffer,
    is_swiotlb_force_bounce,
    swiotlb_max_mapping_size,
)

__all__ = ["DirectOps"]


class DirectOps:
    """See :class:`kernel_api.device.device.DmaOps`."""

    def __init__(self, kernel: Kernel):
        self._kernel = kernel

    def map_phys(self, dev: Device, phys: PhysAddr, size: int, direction: Dir,
                 attrs: int) -> DmaAddr:
        """Bounce what must be, and clean the range from the cache."""
        dma = phys_to_dma(dev, phys)
        if attrs & DMA_ATTR_MMIO:
            return dma if self._reached(dev, dma, size, attrs) else DMA_MAPPING_ERROR
        bounce = is_swiotlb_force_bounce(dev) or (dev.io_tlb_mem is not None and (
            not reaches(dev, dev.dma_mask, dma, size)
            or dma_kmalloc_needs_bounce(dev, size, direction)))
        if attrs & DMA_ATTR_REQUIRE_COHERENT and (bounce or not dev.dma_coherent):
            return DMA_MAPPING_ERROR
        if bounce:
            phys = dev.io_tlb_mem.map(dev, phys, size, attrs)
            if phys is None:
                return DMA_MAPPING_ERROR
            dma, dev.dma_skip_sync = phys_to_dma(dev, phys), False
        if not self._reached(dev, dma, size, attrs):
            if bounce:
                dev.io_tlb_mem.unmap(phys)
            return DMA_MAPPING_ERROR
        if not attrs & DMA_ATTR_SKIP_CPU_SYNC and not dev.dma_coherent:
            clean_for_device(dev, phys, size, direction)    # the copy was made: no bounce (R70)
        return dma

    @staticmethod
    def _reached(dev: Device, dma: DmaAddr, size: int, attrs: int) -> bool:
        ok = reaches(dev, dev.dma_mask, dma, size)
        if not ok and not attrs & DMA_ATTR_NO_WARN:
            dev_warn(dev, "DMA addr %#x+%d overflow (mask %#x, bus limit %#x)", dma, size,
                     dev.dma_mask, dev.bus_dma_limit)
        return ok

    def unmap_phys(self, dev: Device, dma: DmaAddr, size: int, direction: Dir,
                   attrs: int) -> None:
        """Invalidate the range if the device may have written it, and undo the bounce."""
        if attrs & DMA_ATTR_MMIO:
            return
        phys = dma_to_phys(dev, dma)
        if not attrs & DMA_ATTR_SKIP_CPU_SYNC:
            sync_for_cpu(dev, phys, size, direction)
        if is_swiotlb_buffer(dev, phys):
            dev.io_tlb_mem.unmap(phys)

    def map_sg(self, dev: Device, entries: list[Scatterlist], direction: Dir,
               attrs: int) -> int:
        """Map entry by entry, never joining any (R110). All or nothing: ``-EIO``."""
        for index, sg in enumerate(entries):
            sg.bus_address = isinstance(sg.page, P2pPage)
            if sg.bus_address:
                sg.dma_address = sg.page.bus_address(dev, sg.offset)
            else:
                sg.dma_address = self.map_phys(dev, sg.phys, sg.length, direction, attrs)
            if sg.dma_address == DMA_MAPPING_ERROR:
                unreachable = sg.bus_address
                self.unmap_sg(dev, entries[:index], direction, attrs | DMA_ATTR_SKIP_CPU_SYNC)
                for item in entries[:index + 1]:
                    item.clear_dma()
                return -EREMOTEIO if unreachable else -EIO
            sg.dma_length = sg.length
        return len(entries)

    def unmap_sg(self, dev: Device, entries: list[Scatterlist], direction: Dir,
                 attrs: int) -> None:
        """Undo entry by entry."""
        for sg in entries:
            if not sg.bus_address:
                self.unmap_phys(dev, sg.dma_address, sg.dma_length, direction, attrs)
            sg.bus_address = False

    def to_phys(self, dev: Device, dma: DmaAddr) -> PhysAddr | None:
        """Add the offset back."""
        return dma_to_phys(dev, dma)

    def alloc_pages(self, dev: Device, order: int, gfp: int) -> Page | None:
        """Take pages within the coherent mask: where the mask suggests, then below 4 GiB (R35)."""
        size = 1 << PAGE_SHIFT + order
        wide = dev.coherent_dma_mask > DMA_BIT_MASK(32)
        for flags in (Gfp.NOWARN, Gfp.DMA32) if wide else (Gfp.DMA32 | Gfp.NOWARN, Gfp.NOWARN):
            page = alloc_pages(gfp | flags, order)
            if page is None:
                continue
            if reaches(dev, dev.coherent_dma_mask, phys_to_dma(dev, page_to_phys(page)), size):
                return page
            self._kernel.pages.free(page, order)
        return None

    def map_coherent(self, dev: Device, phys: PhysAddr, size: int) -> DmaAddr:
        """Nothing to do: :meth:`alloc_pages` checked the reach."""
        return phys_to_dma(dev, phys)

    def unmap_coherent(self, dev: Device, dma: DmaAddr, size: int) -> None:
        """Nothing to undo."""

    def _top(self, dev: Device) -> int:
        """DMA address of the last page of memory."""
        dma = phys_to_dma(dev, PhysAddr(self._kernel.pages.end_pfn - 1 << PAGE_SHIFT))
        return DMA_BIT_MASK(63) if dma == DMA_MAPPING_ERROR else int(dma)

    def supported(self, dev: Device, mask: int) -> bool:
        """Any mask of 32 bits, and a smaller one that reaches all memory or 16 MiB (R16)."""
        return mask >= DMA_BIT_MASK(32) or mask >= min(self._top(dev), DMA_BIT_MASK(24))

    def required_mask(self, dev: Device) -> int:
        """All ones up to the highest bit of the last page's address (R18)."""
        return DMA_BIT_MASK(self._top(dev).bit_length())

    def max_mapping_size(self, dev: Device) -> int:
        """Give the longest range that can be bounced, while it may have to be (R22)."""
        limited = min(dev.dma_mask or DMA_BIT_MASK(32), dev.bus_dma_limit or SIZE_MAX) \
            < self.required_mask(dev)
        if dev.io_tlb_mem and (limited or is_swiotlb_force_bounce(dev)):
            return swiotlb_max_mapping_size(dev)
        return SIZE_MAX

    def opt_mapping_size(self, dev: Device) -> int:
        """No limit."""
        return SIZE_MAX

    def merge_boundary(self, dev: Device) -> int:
        """0: cannot merge."""
        return 0
