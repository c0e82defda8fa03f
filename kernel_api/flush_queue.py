"""Deferred invalidation: freed I/O virtual ranges wait until the IOMMU has forgotten them.

Page-table entries are cleared at once, but translations may live on in the IOMMU's caches until all
of them are dropped together (R129).

Source: section 4.2 of the DMA API study.
"""

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .iommu_domain import PagingDomain

__all__ = ["FlushQueue"]

ENTRIES = 256


class FlushQueue:
    """Ranges of one address space that were unmapped and not yet invalidated.

    Parameters
    ----------
    domain : PagingDomain
        Whose.
    timeout : int
        Cycles after which they are invalidated, at the next call that maps, unmaps or waits.
    """

    def __init__(self, domain: "PagingDomain", timeout: int):
        self._domain, self._timeout = domain, timeout
        self._waiting: deque[tuple[int, int]] = deque()
        self._since = 0

    def __len__(self):
        return len(self._waiting)

    @property
    def _now(self) -> int:
        return self._domain.iommu.kernel.machine.cycles

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
        self._domain.iommu.invalidate(self._domain.pscid)
        self._domain.iommu.kernel.stats.queue_flushes += 1
        while self._waiting:
            self._domain.iovas.free_fast(*self._waiting.popleft())
