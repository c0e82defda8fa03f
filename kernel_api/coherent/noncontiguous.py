"""Buffers in scattered pages that the device sees in one range, and the CPU too if it wants.

The device's side is one segment: the table has ``nents`` 1 however many entries. Syncs are the
caller's: ``dma_sync_sgtable_for_...``, and around them, for the CPU's range, the flush and the
invalidation of :func:`dma_vmap_noncontiguous`.

Source: Linux ``Documentation/core-api/dma-api.rst``, part II; ``kernel/dma/mapping.c`` (behaviour).
"""

from ..core.addresses import PAGE_SIZE, VirtAddr, is_vmalloc_addr, page_align
from ..core.attrs import DMA_ATTR_ALLOC_SINGLE_PAGES, DMA_MAPPING_ERROR, Dir, check_direction
from ..core.bug import WARN
from ..core.dma_attrs import DmaAttrs, attr_mask
from ..core.gfp import Gfp
from ..core.tell import tell
from ..device.device import Device
from ..mapping.lists import tell_mapped, tell_unmapping
from ..memory.buddy import MAX_ORDER
from ..memory.pages import Page, __free_pages, alloc_pages, page_address, page_to_phys, pfn_to_page
from ..memory.vmalloc import vmap, vunmap
from ..sg.scatterlist import SgTable, entries_of
from ..sg.tables import sg_alloc_table_from_pages
from ..sg.walk import for_each_sgtable_page
from .mmap import VmArea

__all__ = ["dma_alloc_noncontiguous", "dma_free_noncontiguous", "dma_mmap_noncontiguous",
           "dma_vmap_noncontiguous", "dma_vunmap_noncontiguous", "flush_kernel_vmap_range",
           "invalidate_kernel_vmap_range"]


class _Handle(SgTable):
    """A table, and the blocks of pages that it describes, each with its order."""

    def __init__(self, blocks: list[tuple[Page, int]]):
        super().__init__()
        self.blocks = blocks


def dma_alloc_noncontiguous(dev: Device, size: int, direction: int, gfp: int,
                            attrs: DmaAttrs | int | None) -> SgTable | None:
    """Allocate ``size`` bytes of zeros in any pages, and map them as one segment.

    Parameters
    ----------
    dev, size, direction : Device, int, int
        For whom, bytes, and who will write.
    gfp : int
        Flags; ``__GFP_COMP`` is refused.
    attrs : int
        0 or ``DMA_ATTR_ALLOC_SINGLE_PAGES``.

    Returns
    -------
    SgTable or None
        With one segment; None without memory or addresses, or if flags or attributes are refused.
    """
    direction, attrs = check_direction(direction), attr_mask(attrs)
    if WARN(attrs & ~DMA_ATTR_ALLOC_SINGLE_PAGES, "%s: attributes %#x of a noncontiguous buffer",
            dev.name, attrs) or WARN(gfp & Gfp.COMP, "%s: __GFP_COMP for a noncontiguous buffer",
                                     dev.name) or size <= 0:
        return None
    blocks = _blocks(dev, page_align(size) // PAGE_SIZE, gfp, bool(attrs))
    table = _mapped(dev, blocks, page_align(size), direction) if blocks else None
    if table is None:
        _free(blocks)
        return None
    if dev.kernel.checkers:
        entries = entries_of(table.sgl, table.orig_nents)
        tell_mapped(dev, entries, direction, attrs, 1)
    return table


def _blocks(dev: Device, count: int, gfp: int, single: bool) -> list[tuple[Page, int]]:
    """Take ``count`` pages in blocks: in one, if nothing translates. Empty if there are none."""
    gfp |= Gfp.ZERO | Gfp.NOWARN
    if dev.dma_ops is not dev.kernel.iommu_ops:
        order = (count - 1).bit_length()
        page = dev.dma_ops.alloc_pages(dev, order, gfp)
        return [(page, order)] if page else []
    blocks: list[tuple[Page, int]] = []
    while count:
        for order in reversed(range(1 if single else min(MAX_ORDER, count.bit_length() - 1) + 1)):
            page = alloc_pages(gfp, order)
            if page:
                blocks.append((page, order))
                count -= 1 << order
                break
        else:
            _free(blocks)
            return []
    return blocks


def _free(blocks: list[tuple[Page, int]]) -> None:
    for page, order in blocks:
        __free_pages(page, order)


def _mapped(dev: Device, blocks: list[tuple[Page, int]], size: int,
            direction: Dir) -> SgTable | None:
    """Describe blocks, let no line of them be left in the cache, and map them."""
    table = _Handle(blocks)
    pages = [pfn_to_page(page.pfn + index) for page, order in blocks
             for index in range(1 << order)][:size // PAGE_SIZE]
    sg_alloc_table_from_pages(table, pages, len(pages), 0, size, Gfp.RECLAIM)
    if not dev.dma_coherent:
        for sg in table.sgl:
            dev.kernel.cache.wback_inv(sg.phys, sg.length)
    if dev.dma_ops is dev.kernel.iommu_ops:
        dma = dev.dma_ops.map_pages(dev, pages, direction)
    else:
        dma = dev.dma_ops.map_coherent(dev, page_to_phys(pages[0]), size)
    if dma == DMA_MAPPING_ERROR:
        return None
    table.sgl[0].dma_address, table.sgl[0].dma_length = dma, size
    table.nents = 1
    return table


def dma_free_noncontiguous(dev: Device, size: int, sgt: SgTable, direction: int) -> None:
    """Free what :func:`dma_alloc_noncontiguous` returned."""
    entries = entries_of(sgt.sgl, sgt.orig_nents)
    tell_unmapping(dev, entries, check_direction(direction), 0)
    dma = entries[0].dma_address
    dev.dma_ops.unmap_coherent(dev, dma, page_align(size))
    _free(sgt.blocks)
    tell(dev.kernel, "unmapped", dev, dma)


def dma_vmap_noncontiguous(dev: Device, size: int, sgt: SgTable) -> VirtAddr | None:
    """Let the CPU see a buffer in one range."""
    pages = list(for_each_sgtable_page(sgt, 0))
    return vmap(pages) if dev.dma_ops is dev.kernel.iommu_ops else page_address(pages[0])


def dma_vunmap_noncontiguous(dev: Device, va: VirtAddr) -> None:
    """Undo :func:`dma_vmap_noncontiguous`."""
    if is_vmalloc_addr(va):
        vunmap(va)


def dma_mmap_noncontiguous(dev: Device, vma: VmArea, size: int, sgt: SgTable) -> int:
    """Map a buffer for a process. 0; ``-ENXIO`` if it is not that long."""
    return vma.map([page.pfn for page in for_each_sgtable_page(sgt, 0)])


def flush_kernel_vmap_range(va: VirtAddr, size: int) -> None:
    """Nothing: the cache goes by physical address, so all ranges of a page are one to it."""


def invalidate_kernel_vmap_range(va: VirtAddr, size: int) -> None:
    """Nothing, as :func:`flush_kernel_vmap_range`."""
