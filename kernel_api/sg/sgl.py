"""Lists that own their pages.

Source: Linux ``lib/scatterlist.c`` (behaviour).
"""

from ..core.addresses import PAGE_SHIFT, PAGE_SIZE
from ..core.gfp import Gfp
from ..memory.pages import __free_pages, alloc_pages
from .scatterlist import Scatterlist, Sgl, entries_of, sg_init_table, sg_nents, sg_set_page

__all__ = ["sgl_alloc", "sgl_alloc_order", "sgl_free", "sgl_free_n_order", "sgl_free_order"]


def sgl_alloc_order(length: int, order: int, chainable: bool,
                    gfp: int) -> tuple[list[Scatterlist] | None, int]:
    """Make a list of ``length`` bytes in blocks of ``2**order`` pages.

    Parameters
    ----------
    length, order : int
        Bytes, and size of a block; the last entry may be shorter.
    chainable : bool
        One more entry is made, for :func:`sg_chain`.
    gfp : int
        How pages are to be allocated.

    Returns
    -------
    tuple of list or None, int
        The list, and its entries, without the one for the chain. ``(None, 0)`` without memory.
    """
    block = PAGE_SIZE << order
    nent = length + block - 1 >> PAGE_SHIFT + order
    if nent == 0:
        return None, 0
    sgl = [Scatterlist() for _ in range(nent + chainable)]
    sg_init_table(sgl, len(sgl))
    for index, sg in enumerate(sgl[:nent]):
        page = alloc_pages(gfp & ~Gfp.COMP, order)
        if page is None:
            sgl_free_n_order(sgl, index, order)
            return None, 0
        sg_set_page(sg, page, min(length, block), 0)
        length -= sg.length
    return sgl, nent


def sgl_alloc(length: int, gfp: int) -> tuple[list[Scatterlist] | None, int]:
    """Make a list of ``length`` bytes in single pages. As :func:`sgl_alloc_order`."""
    return sgl_alloc_order(length, 0, False, gfp)


def sgl_free_n_order(sgl: Sgl, nents: int, order: int) -> None:
    """Free the blocks of the first ``nents`` entries."""
    for sg in entries_of(sgl, min(nents, sg_nents(sgl))):
        if sg.page is not None:
            __free_pages(sg.page, order)
        sg.page = None


def sgl_free_order(sgl: Sgl, order: int) -> None:
    """Free the blocks of a whole list."""
    sgl_free_n_order(sgl, sg_nents(sgl), order)


def sgl_free(sgl: Sgl) -> None:
    """Free the pages of a whole list."""
    sgl_free_order(sgl, 0)
