"""Walking a list page by page: ``struct sg_mapping_iter``.

Source: Linux ``include/linux/scatterlist.h``, ``lib/scatterlist.c`` (behaviour).
"""

from ..core.addresses import PAGE_SHIFT, PAGE_SIZE, VirtAddr
from ..memory.pages import Page, page_address, pfn_to_page
from ..platform.context import might_sleep
from .scatterlist import Sgl, entries_of

__all__ = ["SG_MITER_ATOMIC", "SG_MITER_FROM_SG", "SG_MITER_LOCAL", "SG_MITER_TO_SG",
           "SgMappingIter", "sg_miter_next", "sg_miter_skip", "sg_miter_start", "sg_miter_stop"]

#: The walk may not sleep; it stores to the list; it loads from it; its addresses are the thread's.
SG_MITER_ATOMIC, SG_MITER_TO_SG, SG_MITER_FROM_SG, SG_MITER_LOCAL = 1, 2, 4, 8


class SgMappingIter:
    """A place in a list.

    Attributes
    ----------
    page, addr, length : Page or None, VirtAddr or None, int
        Piece of the list, at most to the end of its page, after :func:`sg_miter_next`.
    consumed : int
        Bytes of it that are done; the next piece begins behind them. All, unless it is set.
    """

    def __init__(self):
        self.page: Page | None = None
        self.addr: VirtAddr | None = None
        self.length = self.consumed = 0
        self._pieces: list[tuple[Page, int, int]] = []


def sg_miter_start(miter: SgMappingIter, sgl: Sgl, nents: int, flags: int) -> None:
    """Begin before the first byte of the first ``nents`` entries."""
    miter.__init__()
    miter.flags = flags
    for sg in entries_of(sgl, nents):
        offset, left, pfn = sg.offset, sg.length, sg.page.pfn if sg.page else 0
        while left:
            pfn, offset = pfn + (offset >> PAGE_SHIFT), offset % PAGE_SIZE
            count = min(left, PAGE_SIZE - offset)
            miter._pieces.append((pfn_to_page(pfn), offset, count))
            offset, left = offset + count, left - count


def sg_miter_skip(miter: SgMappingIter, offset: int) -> bool:
    """Go on by ``offset`` bytes, before the next :func:`sg_miter_next`. False: there are fewer."""
    sg_miter_stop(miter)
    while offset:
        if not miter._pieces:
            return False
        page, start, count = miter._pieces.pop(0)
        done = min(offset, count)
        if done < count:
            miter._pieces.insert(0, (page, start + done, count - done))
        offset -= done
    return True


def sg_miter_next(miter: SgMappingIter) -> bool:
    """Go to the next piece. False at the end of the list. May sleep, unless started as atomic."""
    sg_miter_stop(miter)
    if not miter.flags & (SG_MITER_ATOMIC | SG_MITER_LOCAL):
        might_sleep("sg_miter_next")
    if not miter._pieces:
        return False
    miter.page, offset, miter.length = miter._pieces[0]
    miter.addr = page_address(miter.page) + offset
    miter.consumed = miter.length
    return True


def sg_miter_stop(miter: SgMappingIter) -> None:
    """Let go of the piece, of which ``consumed`` bytes are done; the walk may be taken up again."""
    if miter.addr is None:
        return
    page, offset, count = miter._pieces.pop(0)
    if miter.consumed < count:
        rest = page, offset + miter.consumed, count - miter.consumed
        miter._pieces.insert(0, rest)
    miter.page = miter.addr = None
    miter.length = miter.consumed = 0
