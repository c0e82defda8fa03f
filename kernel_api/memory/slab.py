"""``kmalloc``: objects smaller than a page, and pages for larger ones.

No two objects share a cache line on a machine whose DMA does not see the cache (R4).
"""

from ..core.addresses import PAGE_SIZE, VirtAddr, get_order, virt_to_phys
from ..core.bug import BUG
from ..core.current import current_kernel
from ..core.gfp import Gfp
from ..platform.context import might_alloc
from .buddy import Page
from .pages import PageAllocator, alloc_pages, page_address, pfn_to_page, phys_to_page

__all__ = ["ARCH_DMA_MINALIGN", "ZERO_SIZE_PTR", "Slab", "SlabAllocator", "dma_get_cache_alignment",
           "kfree", "kmalloc", "ksize", "kzalloc"]

#: What ``kmalloc(0)`` returns: an address that can be freed, and faults when used.
ZERO_SIZE_PTR = VirtAddr(16)

#: Enough for every platform: the longest line, in bytes.
ARCH_DMA_MINALIGN = 128

_SIZES = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192)


class Slab:
    """Pages cut into objects of one size; the object freed last is the next to be handed out."""

    def __init__(self, page: Page, order: int, size: int):
        self.page, self.order, self.size = page, order, size
        count = (PAGE_SIZE << order) // size
        self._start = page_address(page)
        self.free = [index * size for index in reversed(range(count))]
        self._used: set[int] = set()

    @property
    def empty(self) -> bool:
        """Whether no object is in use."""
        return not self._used

    def take(self) -> VirtAddr:
        """Hand out an object; there must be a free one."""
        offset = self.free.pop()
        self._used.add(offset)
        return self._start + offset

    def give(self, va: VirtAddr) -> None:
        """Take an object back. Raises :exc:`KernelBug` if it is not one in use."""
        offset = va - self._start
        if offset not in self._used:
            BUG(f"kfree of {va!r}, which is not the start of an object in use")
        self._used.remove(offset)
        self.free.append(offset)


class SlabAllocator:
    """Slabs of every size.

    Parameters
    ----------
    pages : PageAllocator
        Where memory comes from.
    min_align : int
        ARCH_DMA_MINALIGN, in bytes: objects start at a multiple of it and have a multiple of it.
    """

    def __init__(self, pages: PageAllocator, min_align: int):
        self._pages, self.min_align = pages, min_align
        self.sizes = tuple(size for size in _SIZES if size % min_align == 0)
        self._partial: dict[int, list[Slab]] = {size: [] for size in self.sizes}

    def size_of(self, size: int) -> int:
        """Bytes that an object of ``size`` bytes takes."""
        fitting = next((item for item in self.sizes if item >= size), None)
        return fitting or PAGE_SIZE << get_order(size)

    def alloc(self, size: int, gfp: int) -> VirtAddr | None:
        """Allocate ``size`` bytes, more than none. None if there is no memory."""
        size = self.size_of(size)
        if size not in self._partial:
            page = alloc_pages(gfp & ~Gfp.ZERO, get_order(size))
            return page_address(page) if page else None
        partial = self._partial[size]
        if not partial:
            order = 0 if size <= PAGE_SIZE // 8 else min(3, get_order(8 * size))
            page = alloc_pages(gfp & ~Gfp.ZERO, order)
            if page is None:
                return None
            slab = Slab(page, order, size)
            self._mark(slab, slab)
            partial.append(slab)
        slab = partial[-1]
        va = slab.take()
        if not slab.free:
            partial.remove(slab)
        return va

    def free(self, va: VirtAddr) -> None:
        """Free an object. Raises :exc:`KernelBug` if it is not one in use."""
        page = phys_to_page(virt_to_phys(va))
        slab = page.slab
        if slab is None:
            if va != page_address(page) or page.order is None:
                BUG(f"kfree of {va!r}, which is not the start of an object in use")
            self._pages.free(page, page.order)
            return
        was_full = not slab.free
        slab.give(va)
        if was_full:
            self._partial[slab.size].append(slab)
        if slab.empty:
            self._partial[slab.size].remove(slab)
            self._mark(slab, None)
            self._pages.free(slab.page, slab.order)

    @staticmethod
    def _mark(slab: Slab, owner: Slab | None) -> None:
        for index in range(1 << slab.order):
            pfn_to_page(slab.page.pfn + index).slab = owner


def kmalloc(size: int, gfp: int) -> VirtAddr | None:
    """Allocate ``size`` bytes, physically contiguous. None if there is no memory."""
    if size == 0:
        return ZERO_SIZE_PTR
    might_alloc(gfp, "kmalloc")
    kernel = current_kernel()
    va = kernel.slab.alloc(size, gfp & ~Gfp.RECLAIM)        # said once is enough
    if va is not None and gfp & Gfp.ZERO:
        kernel.cpu.store(va, bytes(size))
    return va


def kzalloc(size: int, gfp: int) -> VirtAddr | None:
    """Allocate ``size`` bytes of zeros. None if there is no memory."""
    return kmalloc(size, gfp | Gfp.ZERO)


def kfree(va: VirtAddr | None) -> None:
    """Free what :func:`kmalloc` returned; None is ignored. Raises :exc:`KernelBug` for others."""
    if va is not None and VirtAddr.check(va) != ZERO_SIZE_PTR:
        current_kernel().slab.free(va)


def ksize(va: VirtAddr) -> int:
    """Bytes that the object at ``va`` really has."""
    page = phys_to_page(virt_to_phys(va))
    return page.slab.size if page.slab else PAGE_SIZE << page.order


def dma_get_cache_alignment() -> int:
    """Alignment that keeps a buffer's lines its own: the cache line, or 1 if DMA sees the cache."""
    platform = current_kernel().platform
    return 1 if platform.coherent else platform.line_bytes
