"""Deferred invalidation: freed I/O virtual ranges wait until the IOMMU has forgotten them.

Page-table entries are cleared at once, but translations may live on in the IOMMU's caches until all
of them are dropped together (R129).

Source: section 4.2 of the DMA API study.
"""

from collections import deque
from collections.abc import Callable

from ..core.kernel import Kernel

__all__ = ["FlushQueue"]

ENTRIES = 256


class FlushQueue:
    """Ranges of one address space that were unmapped and not yet invalidated.

    Parameters
    ----------
    kernel : Kernel
        Whose clock counts.
    invalidate : callable
        Lets the IOMMU forget the whole address space.
    give_back : callable
        Lets ``(pfn, pages)`` be used again.
    timeout : int
        Cycles after which they are invalidated, at the next call that maps, unmaps or waits.
    """

    def __init__(self, kernel: Kernel, invalidate: Callable[[], int],
                 give_back: Callable[[int, int], None], timeout: int):
        self._kernel, self._invalidate, self._give_back = kernel, invalidate, give_back
        self._timeout = timeout
        self._waiting: deque[tuple[int, int]] = deque()
        self._since = 0

    def __len__(self):
        return len(self._waiting)

    @property
    def _now(self) -> int:
        return self._kernel.machine.cycles

    def add(self, pfn: int, pages: int) -> None:
        """Hold ``pages`` pages from ``pfn`` on back; a full ring is flushed at once."""
        self.expire()
        if not self._waiting:
            self._since = self._now
        self._waiting.append((pfn, pages))
        if len(self._waiting) >= ENTRIES:
            self.flush()

    def expire(self) -> None:
        """Flush if the oldest has waited long enough."""
        if self._waiting and self._now - self._since >= self._timeout:
            self.flush()

    def flush(self) -> None:
        """Invalidate everything, and let the addresses be used again."""
        if not self._waiting:
            return
        self._invalidate()
        self._kernel.stats.queue_flushes += 1
        while self._waiting:
            self._give_back(*self._waiting.popleft())
