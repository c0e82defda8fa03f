"""I/O virtual addresses: which page numbers of an address space are taken.

Ranges are handed out from the top down, aligned to their size. Small ranges that are freed go to a
cache and are the first to be reused.

Source: Linux ``drivers/iommu/iova.c`` (behaviour), rules of section 4.1 of the DMA API study.
"""

from bisect import bisect_left, insort

from ..core.addresses import PAGE_SHIFT

__all__ = ["IovaDomain"]

_TOP = 1 << 52                              # above every page number
_PFN_32BIT = 1 << 32 - PAGE_SHIFT
#: Orders of ranges that are recycled: 1 to 32 pages.
_CACHED_ORDERS = 6
#: Ranges of one order that are kept: two magazines of 127 on the hart and one in the depot.
_CACHED_RANGES = 3 * 127
_MAGAZINE = 127


def _order(size: int) -> int:
    """Smallest order whose ``1 << order`` is at least ``size``."""
    return (size - 1).bit_length()


class IovaDomain:
    """Page numbers from ``start`` up.

    Parameters
    ----------
    start : int
        Lowest page number handed out; at least 1, because address 0 means failure.

    Raises
    ------
    ValueError
        If ``start`` is less than 1.
    """

    def __init__(self, start: int = 1):
        if start < 1:
            raise ValueError(f"First I/O page number must be at least 1, not {start!r}")
        self._start = start
        self._starts: list[int] = []        # of taken ranges, ascending
        self._ends: dict[int, int] = {}     # first page number after the range
        # The newest range below 4 GiB, and above: a search begins there.
        self._hint32 = self._hint = _TOP
        self._failed32 = _PFN_32BIT         # this size and larger ones do not fit below 4 GiB
        self._cache: list[list[int]] = [[] for _ in range(_CACHED_ORDERS)]

    def __len__(self):
        return len(self._starts)

    def ranges(self) -> list[tuple[int, int]]:
        """Taken ranges as (first, count), ascending; those in the cache are taken, too."""
        return [(start, self._ends[start] - start) for start in self._starts]

    # The ranges

    def alloc(self, size: int, limit: int) -> int | None:
        """Take ``size`` pages, none above page number ``limit``. None if they do not fit.

        The range is aligned to ``size`` rounded up to a power of two. The search goes down from the
        newest range, so that a gap above it is used only once the bottom is reached.
        """
        if size < 1:
            return None
        below_4g = limit < _PFN_32BIT
        if below_4g and size >= self._failed32:
            return None
        hint = self._hint32 if below_4g else self._hint
        first = self._search(size, self._start, min(hint, limit + 1))
        if first is None and hint <= limit:
            first = self._search(size, self._ends.get(hint, _TOP), limit + 1)
        if first is None:
            if below_4g:
                self._failed32 = size
            return None
        insort(self._starts, first)
        self._ends[first] = first + size
        if first < _PFN_32BIT:
            self._hint32 = first
        else:
            self._hint = first
        return first

    def _search(self, size: int, low: int, high: int) -> int | None:
        """Highest aligned place for ``size`` pages in ``[low, high)``."""
        align = -(1 << _order(size))
        index = bisect_left(self._starts, high)
        while (candidate := high - size & align) >= low:
            index -= 1
            if index < 0 or self._ends[self._starts[index]] <= candidate:
                return candidate
            high = self._starts[index]
        return None

    def free(self, first: int) -> None:
        """Give the range that begins at ``first`` back; ignored if there is none."""
        end = self._ends.pop(first, None)
        if end is None:
            return
        index = bisect_left(self._starts, first)
        del self._starts[index]
        above = self._starts[index] if index < len(self._starts) else _TOP
        if first == self._hint32 or (end <= _PFN_32BIT and first >= self._hint32):
            self._hint32 = above
        if first >= self._hint:
            self._hint = above
        if first < _PFN_32BIT:
            self._failed32 = _PFN_32BIT

    # The cache of ranges

    @staticmethod
    def rounded(size: int) -> int:
        """Pages that a request for ``size`` takes: a power of two below 32, so as to be reused."""
        return 1 << _order(size) if size < 1 << _CACHED_ORDERS - 1 else size

    def alloc_fast(self, size: int, limit: int, *, flush: bool) -> tuple[int | None, bool]:
        """Take ``size`` pages, a recycled range if one fits.

        Parameters
        ----------
        size : int
            Pages.
        limit : int
            Highest page number allowed.
        flush : bool
            Whether to empty the cache and try again when there is no room.

        Returns
        -------
        tuple of int or None, bool
            First page number, and whether it was recycled.
        """
        if size < 1:
            return None, False
        size = self.rounded(size)
        order = _order(size)
        if order < _CACHED_ORDERS:
            cached = self._cache[order]
            for index in reversed(range(len(cached))):
                if cached[index] + (1 << order) - 1 <= limit:
                    cached[index], cached[-1] = cached[-1], cached[index]
                    return cached.pop(), True
        first = self.alloc(size, limit)
        if first is None and flush and any(self._cache):
            self.flush_cache()
            first = self.alloc(size, limit)
        return first, False

    def free_fast(self, first: int, size: int) -> None:
        """Give ``size`` pages back, to the cache if they are few.

        A wrong ``size`` files the range under a wrong order, and others will get less or more than
        is theirs: as in Linux, nothing checks it.
        """
        order = _order(size)
        if order >= _CACHED_ORDERS:
            self.free(first)
            return
        cached = self._cache[order]
        cached.append(first)
        if len(cached) > _CACHED_RANGES:
            for old in cached[:_MAGAZINE]:
                self.free(old)
            del cached[:_MAGAZINE]

    def flush_cache(self) -> None:
        """Give all recycled ranges back."""
        for cached in self._cache:
            for first in cached:
                self.free(first)
            cached.clear()
