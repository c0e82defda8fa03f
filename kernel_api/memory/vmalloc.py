"""Memory whose pages are mapped one by one: contiguous for the CPU, scattered for devices.

Source: Linux ``include/linux/vmalloc.h`` (names, arguments, return values).
"""

from collections.abc import Sequence

from ..core.addresses import PAGE_SHIFT, PAGE_SIZE, VMALLOC_START, VirtAddr, offset_in_page
from ..core.bug import WARN
from ..core.current import current_kernel
from ..core.gfp import GFP_KERNEL
from ..platform.context import might_sleep
from .buddy import Page
from .pages import __free_pages, alloc_pages, pfn_to_page

__all__ = ["vfree", "vmalloc", "vmalloc_to_page", "vmap", "vunmap"]


def vmap(pages: Sequence[Page], *, cached: bool = True) -> VirtAddr:
    """Map pages next to each other. Returns the address of the first."""
    might_sleep("vmap")
    table = current_kernel().cpu.vmap
    # A page is left out between two areas: who runs over the end of one is noticed.
    first = max(table, default=VMALLOC_START >> PAGE_SHIFT) + 2
    for index, page in enumerate(pages):
        table[first + index] = page.pfn, cached
    return VirtAddr(first << PAGE_SHIFT)


def vunmap(va: VirtAddr) -> list[Page]:
    """Undo :func:`vmap`. Returns the pages."""
    table, pages, number = current_kernel().cpu.vmap, [], int(va) >> PAGE_SHIFT
    WARN(offset_in_page(va) or number not in table, "Trying to vunmap nonexistent area %#x", va)
    while number in table:
        pages.append(pfn_to_page(table.pop(number)[0]))
        number += 1
    return pages


def vmalloc(size: int) -> VirtAddr | None:
    """Allocate pages for ``size`` bytes, wherever they are. None if there is no memory."""
    pages = [alloc_pages(GFP_KERNEL, 0) for _ in range(-(-size // PAGE_SIZE))]
    if None in pages:
        for page in filter(None, pages):
            __free_pages(page, 0)
        return None
    return vmap(pages)


def vfree(va: VirtAddr | None) -> None:
    """Free what :func:`vmalloc` returned; None is ignored."""
    if va is not None:
        for page in vunmap(va):
            __free_pages(page, 0)


def vmalloc_to_page(va: VirtAddr) -> Page | None:
    """Page behind an address, or None: these can be mapped for DMA, one by one (R3)."""
    entry = current_kernel().cpu.vmap.get(int(va) >> PAGE_SHIFT)
    return pfn_to_page(entry[0]) if entry else None
