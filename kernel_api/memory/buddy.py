"""One zone of memory as a buddy system: blocks of ``2**order`` pages, aligned to their size."""

from ..core.bug import BUG

__all__ = ["MAX_ORDER", "Page", "Zone"]

#: Largest block: 4 MiB.
MAX_ORDER = 10


class Page:
    """A page frame: ``struct page``.

    Attributes
    ----------
    pfn : int
        Page frame number: physical address divided by the page size.
    order : int or None
        Of the allocated block that begins here; None for free pages and for those inside a block.
    slab : object
        Slab to which the page belongs, or None.
    """

    __slots__ = ("order", "pfn", "slab")

    def __init__(self, pfn: int):
        self.pfn, self.order, self.slab = pfn, None, None

    def __repr__(self):
        return f"Page({self.pfn:#x})"


class Zone:
    """Pages from ``first`` up to but not including ``end``.

    A split keeps the lower half, and a freed block is the next to be handed out, as in Linux.

    Parameters
    ----------
    name : str
        For messages.
    first, end : int
        Page frame numbers.
    """

    def __init__(self, name: str, first: int, end: int):
        self.name, self.first, self.end = name, first, end
        self._pages: dict[int, Page] = {}
        # Free blocks of each order; the newest is the last key.
        self._free: list[dict[int, None]] = [{} for _ in range(MAX_ORDER + 1)]
        pieces = []
        while first < end:
            order = min(MAX_ORDER, (end - first).bit_length() - 1,
                        (first & -first).bit_length() - 1 if first else MAX_ORDER)
            pieces.append((first, order))
            first += 1 << order
        for pfn, order in reversed(pieces):             # the lowest address is handed out first
            self._free[order][pfn] = None

    def __contains__(self, pfn: int) -> bool:
        return self.first <= pfn < self.end

    @property
    def free_pages(self) -> int:
        """Pages that are free."""
        return sum(len(blocks) << order for order, blocks in enumerate(self._free))

    def page(self, pfn: int) -> Page:
        """Give the page frame ``pfn``, the same object each time."""
        return self._pages.setdefault(pfn, Page(pfn))

    def alloc(self, order: int) -> Page | None:
        """Take a block of ``2**order`` pages. Returns its first page, or None if there is none."""
        for size in range(order, MAX_ORDER + 1):
            if self._free[size]:
                pfn, _ = self._free[size].popitem()
                break
        else:
            return None
        while size > order:
            size -= 1
            self._free[size][pfn + (1 << size)] = None
        page = self.page(pfn)
        page.order = order
        return page

    def free(self, page: Page, order: int) -> None:
        """Give a block back, and join it with its free neighbours.

        Raises
        ------
        KernelBug
            If no block of this order is allocated here: it was freed before, or is of another size.
        """
        if page.order != order:
            BUG(f"Bad page state: {page!r} freed with order {order}, allocated with {page.order}")
        page.order, pfn = None, page.pfn
        while order < MAX_ORDER and (buddy := pfn ^ 1 << order) in self._free[order]:
            del self._free[order][buddy]
            pfn &= ~(1 << order)
            order += 1
        self._free[order][pfn] = None
