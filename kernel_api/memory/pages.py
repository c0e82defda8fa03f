"""The page allocator, and conversions between pages and addresses."""

from ..core.addresses import PAGE_SHIFT, PAGE_SIZE, PhysAddr, VirtAddr, phys_to_virt, virt_to_phys
from ..core.bug import BUG, WARN
from ..core.current import current_kernel
from ..core.gfp import Gfp
from ..platform.context import might_alloc
from .buddy import MAX_ORDER, Page, Zone

__all__ = ["MAX_ORDER", "Page", "PageAllocator", "__free_page", "__free_pages", "__get_free_pages",
           "alloc_page", "alloc_pages", "free_page", "free_pages", "get_zeroed_page",
           "page_address", "page_to_pfn", "page_to_phys", "pfn_to_page", "pfn_valid",
           "phys_to_page", "virt_to_page"]

_DMA32_END = 1 << 32 - PAGE_SHIFT


class PageAllocator:
    """Memory, in two zones: DMA32 (below 4 GiB) and Normal (above).

    Parameters
    ----------
    base, size : int
        Range of memory, in bytes; only whole pages are used.
    """

    def __init__(self, base: int, size: int):
        first, end = -(-base >> PAGE_SHIFT), base + size >> PAGE_SHIFT
        cut = min(max(first, _DMA32_END), end)
        zones = Zone("DMA32", first, cut), Zone("Normal", cut, end)
        self.zones = tuple(zone for zone in zones if zone.first < zone.end)
        self.end_pfn = end

    @property
    def free_pages(self) -> int:
        """Pages that are free."""
        return sum(zone.free_pages for zone in self.zones)

    def zone_of(self, pfn: int) -> Zone | None:
        """Zone in which a page frame lies, or None if there is no memory."""
        return next((zone for zone in self.zones if pfn in zone), None)

    def alloc(self, order: int, *, dma32: bool = False) -> Page | None:
        """Take ``2**order`` pages from the highest zone that has them. None if there is none."""
        for zone in reversed(self.zones):
            if (not dma32 or zone.end <= _DMA32_END) and (page := zone.alloc(order)):
                return page
        return None

    def free(self, page: Page, order: int) -> None:
        """Give a block back. Raises :exc:`KernelBug` if no such block is allocated."""
        zone = self.zone_of(page.pfn)
        if zone is None:
            BUG(f"{page!r} is not memory")
        zone.free(page, order)


def alloc_pages(gfp: int, order: int) -> Page | None:
    """Allocate ``2**order`` contiguous pages, aligned to their size. None if there are none."""
    kernel = current_kernel()
    might_alloc(gfp, "alloc_pages")
    page = kernel.pages.alloc(order, dma32=bool(gfp & Gfp.DMA32)) if order <= MAX_ORDER else None
    if page is None:
        WARN(not gfp & Gfp.NOWARN, "page allocation failure: order:%d", order)
    elif gfp & Gfp.ZERO:
        kernel.cpu.store(page_address(page), bytes(PAGE_SIZE << order))
    return page


def alloc_page(gfp: int) -> Page | None:
    """Allocate one page."""
    return alloc_pages(gfp, 0)


def __free_pages(page: Page, order: int) -> None:
    """Free what :func:`alloc_pages` returned. Raises :exc:`KernelBug` for anything else."""
    current_kernel().pages.free(page, order)


def __free_page(page: Page) -> None:
    """Free one page."""
    __free_pages(page, 0)


def __get_free_pages(gfp: int, order: int) -> VirtAddr | None:
    """Allocate ``2**order`` pages. Returns their linear address, or None."""
    page = alloc_pages(gfp, order)
    return page_address(page) if page else None


def get_zeroed_page(gfp: int) -> VirtAddr | None:
    """Allocate one page of zeros. Returns its linear address, or None."""
    return __get_free_pages(gfp | Gfp.ZERO, 0)


def free_pages(va: VirtAddr | None, order: int) -> None:
    """Free what :func:`__get_free_pages` returned; None is ignored."""
    if va is not None:
        __free_pages(virt_to_page(va), order)


def free_page(va: VirtAddr | None) -> None:
    """Free one page by its linear address; None is ignored."""
    free_pages(va, 0)


def pfn_valid(pfn: int) -> bool:
    """Whether there is memory at this page frame number."""
    return current_kernel().pages.zone_of(pfn) is not None


def pfn_to_page(pfn: int) -> Page:
    """Page at a page frame number. Raises :exc:`KernelBug` where there is no memory."""
    zone = current_kernel().pages.zone_of(pfn)
    if zone is None:
        BUG(f"page frame {pfn:#x} is not memory")
    return zone.page(pfn)


def phys_to_page(phys: PhysAddr) -> Page:
    """Page that holds a physical address. Raises :exc:`KernelBug` where there is no memory."""
    return pfn_to_page(PhysAddr.check(phys) >> PAGE_SHIFT)


def virt_to_page(va: VirtAddr) -> Page:
    """Page that holds a linear address. Raises :exc:`KernelBug` where there is no memory."""
    return phys_to_page(virt_to_phys(va))


def page_to_pfn(page: Page) -> int:
    """Page frame number of a page."""
    return page.pfn


def page_to_phys(page: Page) -> PhysAddr:
    """Physical address of a page."""
    return PhysAddr(page.pfn << PAGE_SHIFT)


def page_address(page: Page) -> VirtAddr:
    """Linear address of a page."""
    return phys_to_virt(page_to_phys(page))
