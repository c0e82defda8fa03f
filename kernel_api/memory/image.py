"""Memory that drivers have at hand and must not map: the stack, the kernel's text and data (R3)."""


from ..core.addresses import PAGE_SHIFT, PhysAddr, VirtAddr
from ..core.current import current_kernel
from ..core.gfp import GFP_KERNEL
from ..core.kernel import Kernel
from .pages import alloc_pages, page_address

__all__ = ["on_stack", "region_of", "static_object"]

#: Pages of each region: 16 KiB of stack.
_ORDER = {"stack": 2, "text": 0, "rodata": 0}


class Regions:
    """Pages of each region, made when first used, and how far they are used."""

    def __init__(self):
        self.pages: dict[str, tuple[int, VirtAddr]] = {}
        self.used: dict[str, int] = {}


def _take(region: str, size: int, align: int) -> VirtAddr:
    kernel = current_kernel()
    regions: Regions = kernel.regions
    if region not in regions.pages:
        page = alloc_pages(GFP_KERNEL, _ORDER[region])
        regions.pages[region] = page.pfn, page_address(page)
        regions.used[region] = 0
    start = -(-regions.used[region] // align) * align
    if start + size > 4096 << _ORDER[region]:
        start = 0                               # a new frame, over the old ones
    regions.used[region] = start + size
    return regions.pages[region][1] + start


def on_stack(size: int, align: int = 8) -> VirtAddr:
    """Give a local variable of ``size`` bytes; what lies beside it is in use, too."""
    return _take("stack", size, align)


def static_object(size: int, region: str = "rodata", align: int = 8) -> VirtAddr:
    """Give a variable of ``size`` bytes in the kernel's ``"text"`` or ``"rodata"``."""
    return _take(region, size, align)


def region_of(kernel: Kernel, phys: PhysAddr, size: int) -> str | None:
    """Name the region that a range of memory touches: ``"stack"``, ``"text"``, ``"rodata"``."""
    first, last = int(phys) >> PAGE_SHIFT, int(phys) + size - 1 >> PAGE_SHIFT
    for region, (pfn, _) in kernel.regions.pages.items():
        if first < pfn + (1 << _ORDER[region]) and last >= pfn:
            return region
    return None
