"""Tables made of pages: neighbours in memory become one entry.

Source: Linux ``lib/scatterlist.c`` (behaviour); cases of section 5.3 of the DMA API study.
"""

from collections.abc import Sequence

from ..core.addresses import PAGE_MASK, PAGE_SIZE
from ..core.errno import EINVAL
from ..memory.buddy import Page
from .scatterlist import Scatterlist, SgTable, sg_free_table, sg_init_table

__all__ = ["sg_alloc_append_table_from_pages", "sg_alloc_table_from_pages",
           "sg_alloc_table_from_pages_segment", "sg_free_append_table"]


def sg_alloc_table_from_pages_segment(table: SgTable, pages: Sequence[Page], n_pages: int,
                                      offset: int, size: int, max_segment: int, gfp: int) -> int:
    """Describe ``size`` bytes, ``offset`` bytes into the first of ``n_pages`` pages.

    Returns
    -------
    int
        0; ``-EINVAL`` if ``max_segment``, rounded down to pages, is nothing.
    """
    table.sgl, table.nents, table.orig_nents = [], 0, 0
    return sg_alloc_append_table_from_pages(table, pages, n_pages, offset, size, max_segment, 0,
                                            gfp)


def sg_alloc_table_from_pages(table: SgTable, pages: Sequence[Page], n_pages: int, offset: int,
                              size: int, gfp: int) -> int:
    """Describe pages with entries of any length. As the function for segments."""
    return sg_alloc_table_from_pages_segment(table, pages, n_pages, offset, size, (1 << 32) - 1,
                                             gfp)


def sg_alloc_append_table_from_pages(table: SgTable, pages: Sequence[Page], n_pages: int,
                                     offset: int, size: int, max_segment: int, left_pages: int,
                                     gfp: int) -> int:
    """Add pages to a table; the first may lengthen its last entry. As the function for segments."""
    longest = max_segment & PAGE_MASK
    if longest < PAGE_SIZE:
        return -EINVAL
    entries = list(table.sgl)
    for page in pages[:n_pages]:
        length = min(PAGE_SIZE - offset, size)
        last = entries[-1] if entries else None
        if last and offset == 0 and (last.offset + last.length) % PAGE_SIZE == 0 \
                and page.pfn == last.page.pfn + (last.offset + last.length) // PAGE_SIZE \
                and last.offset + last.length + length <= longest:
            last.length += length
        else:
            entries.append(Scatterlist.of(page, length, offset))
        offset, size = 0, size - length
    kept = [(sg.page, sg.offset, sg.length) for sg in entries]
    table.sgl = entries
    sg_init_table(table.sgl, len(entries))
    for sg, (page, start, length) in zip(entries, kept, strict=True):
        sg.page, sg.offset, sg.length = page, start, length
    table.nents = table.orig_nents = len(entries)
    return 0


def sg_free_append_table(table: SgTable) -> None:
    """Leave a table that was appended to without entries."""
    sg_free_table(table)
