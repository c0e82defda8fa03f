"""Pages set apart at boot: for those who cannot wait, and for those who want many in a row.

A device that does not see the cache needs uncached memory, and making memory uncached may sleep:
the atomic pool is uncached already (R34). The contiguous area serves blocking requests of more than
a page (R36).

Source: Linux ``kernel/dma/pool.c``, ``kernel/dma/contiguous.c`` (behaviour).
"""


from ..core.addresses import PAGE_SIZE, PhysAddr
from ..core.bug import WARN
from ..core.gfp import Gfp
from ..core.kernel import Kernel
from .buddy import MAX_ORDER
from .carveout import Carveout
from .pages import alloc_pages, page_to_phys, phys_to_page

__all__ = ["AtomicPool", "atomic_pool_bytes"]

_PER_GIB = 128 << 10
#: Blocks of the contiguous area are aligned to no more than 1 MiB.
_MAX_ALIGN = 256


def atomic_pool_bytes(memory_bytes: int) -> int:
    """Size of the pool for so much memory: 128 KiB for each GiB, at least that, 4 MiB at most."""
    return max(_PER_GIB, min(PAGE_SIZE << MAX_ORDER, (memory_bytes >> 30) * _PER_GIB))


class AtomicPool:
    """Pages that are ready to be handed out.

    Parameters
    ----------
    kernel : Kernel
        Whose.
    size : int
        Bytes that should be free; 0: there is no pool.
    refills : bool
        It takes more pages in process context when less than ``size`` is free.
    """

    def __init__(self, kernel: Kernel, size: int, *, refills: bool = True):
        self._kernel, self.size, self._refills = kernel, size, refills
        self._chunks: list[Carveout] = []
        if size:
            self._add()

    @property
    def free_bytes(self) -> int:
        """Bytes that can be handed out."""
        return sum(chunk.free_bytes for chunk in self._chunks)

    def refill(self) -> None:
        """Take memory if less than the first size is free and the caller may sleep."""
        if self._refills and not self._kernel.irq.in_atomic and self.free_bytes < self.size:
            self._add()

    def _add(self) -> None:
        order = (self.size // PAGE_SIZE - 1).bit_length()
        flags = Gfp.RECLAIM | Gfp.NOWARN
        page = alloc_pages(flags | Gfp.DMA32, order) or alloc_pages(flags, order)
        if not WARN(page is None, "no memory for a pool of %d bytes", self.size):
            self._kernel.cache.wback_inv(page_to_phys(page), PAGE_SIZE << order)
            self._chunks.append(Carveout(page_to_phys(page), PAGE_SIZE << order, _MAX_ALIGN))

    def alloc(self, size: int) -> PhysAddr | None:
        """Take ``size`` bytes, aligned to their order. None if there is no room."""
        for chunk in self._chunks:
            offset = chunk.alloc(size)
            if offset is not None:
                return PhysAddr(chunk.start + offset)
        return None

    def free(self, phys: PhysAddr, size: int) -> bool:
        """Give memory back. False if it is not from here."""
        for chunk in self._chunks:
            if phys in chunk:
                chunk.free(int(phys) - chunk.start, size)
                return True
        return False

    def release(self) -> None:
        """Give pages back to the page allocator, unless some are in use."""
        for chunk in [chunk for chunk in self._chunks if not chunk.in_use]:
            order = (chunk.size // PAGE_SIZE - 1).bit_length()
            self._kernel.pages.free(phys_to_page(PhysAddr(chunk.start)), order)
            self._chunks.remove(chunk)
