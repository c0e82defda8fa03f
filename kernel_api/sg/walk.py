"""Walking lists and tables: entries and pages, the CPU's side and the device's.

The loop variables that the C macros take are what the iterators yield.

Source: Linux ``include/linux/scatterlist.h`` (names, arguments), ``lib/scatterlist.c`` (behaviour).
"""

from collections.abc import Iterator

from ..core.addresses import PAGE_SIZE, DmaAddr, page_align
from ..memory.pages import Page, pfn_to_page
from .scatterlist import Scatterlist, Sgl, SgTable, entries_of, for_each_sg

__all__ = ["for_each_sg_dma_page", "for_each_sg_page", "for_each_sgtable_dma_page",
           "for_each_sgtable_dma_sg", "for_each_sgtable_page", "for_each_sgtable_sg"]


def for_each_sgtable_sg(sgt: SgTable) -> Iterator[tuple[Scatterlist, int]]:
    """Walk the entries of a table, with their index: the CPU's side."""
    return for_each_sg(sgt.sgl, sgt.orig_nents)


def for_each_sgtable_dma_sg(sgt: SgTable) -> Iterator[tuple[Scatterlist, int]]:
    """Walk the entries of a mapped table that hold a segment, with their index."""
    return for_each_sg(sgt.sgl, sgt.nents)


def for_each_sg_page(sgl: Sgl, nents: int, pgoffset: int) -> Iterator[Page]:
    """Walk the pages that ``nents`` entries touch, from page ``pgoffset`` on."""
    for sg in entries_of(sgl, nents):
        count = page_align(sg.offset + sg.length) // PAGE_SIZE
        for index in range(min(pgoffset, count), count):
            yield pfn_to_page(sg.page.pfn + index)
        pgoffset = max(0, pgoffset - count)


def for_each_sgtable_page(sgt: SgTable, pgoffset: int) -> Iterator[Page]:
    """Walk the pages that a table touches. As :func:`for_each_sg_page`."""
    return for_each_sg_page(sgt.sgl, sgt.orig_nents, pgoffset)


def for_each_sg_dma_page(sgl: Sgl, dma_nents: int, pgoffset: int) -> Iterator[DmaAddr]:
    """Walk the pages of ``dma_nents`` mapped segments, from page ``pgoffset`` on, as addresses."""
    for sg in entries_of(sgl, dma_nents):
        count = page_align(sg.offset + sg.dma_length) // PAGE_SIZE
        for index in range(min(pgoffset, count), count):
            yield sg.dma_address + index * PAGE_SIZE
        pgoffset = max(0, pgoffset - count)


def for_each_sgtable_dma_page(sgt: SgTable, pgoffset: int) -> Iterator[DmaAddr]:
    """Walk the pages of a mapped table. As :func:`for_each_sg_dma_page`."""
    return for_each_sg_dma_page(sgt.sgl, sgt.nents, pgoffset)
