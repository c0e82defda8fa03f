"""A range of whole pages from which others are served: what pools of memory have in common."""

from ..core.addresses import PAGE_SIZE

__all__ = ["Carveout"]


class Carveout:
    """Pages, and which are taken.

    Parameters
    ----------
    start : int
        First byte.
    size : int
        Bytes; a multiple of the page size.
    max_align : int
        Blocks are aligned to their order, but to no more pages than this.
    """

    def __init__(self, start: int, size: int, max_align: int = 1 << 20):
        self.start, self.size, self._max_align = int(start), size, max_align
        self._taken = bytearray(size // PAGE_SIZE)

    def __contains__(self, addr: int) -> bool:
        return self.start <= addr < self.start + self.size

    @property
    def free_bytes(self) -> int:
        """Bytes that can be handed out."""
        return self._taken.count(0) * PAGE_SIZE

    @property
    def in_use(self) -> bool:
        """Whether some page is taken."""
        return any(self._taken)

    def alloc(self, size: int) -> int | None:
        """Take the first free block of ``size`` bytes, rounded up to pages. Offset, or None."""
        pages = -(-size // PAGE_SIZE)
        align = min(1 << (pages - 1).bit_length(), self._max_align)
        for first in range(0, len(self._taken) - pages + 1, align):
            if not any(self._taken[first:first + pages]):
                self._taken[first:first + pages] = bytes([1]) * pages
                return first * PAGE_SIZE
        return None

    def occupy(self, offset: int, size: int) -> bool:
        """Take the pages of a range. False if one is taken, or beyond the end."""
        first, last = offset // PAGE_SIZE, -(-(offset + size) // PAGE_SIZE)
        if first < 0 or last > len(self._taken) or any(self._taken[first:last]):
            return False
        self._taken[first:last] = bytes([1]) * (last - first)
        return True

    def free(self, offset: int, size: int) -> None:
        """Give pages back."""
        first, pages = offset // PAGE_SIZE, -(-size // PAGE_SIZE)
        self._taken[first:first + pages] = bytes(pages)
