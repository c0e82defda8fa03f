"""Loads and stores by virtual address, barriers, and what C programs do with pointers.

The functions act on the current kernel: ``cpu.load(va, 4)``, ``cpu.store(va, data)``,
``cpu.wmb()``.
"""

from collections.abc import Iterator

from ..core.addresses import (
    IO_OFFSET,
    PAGE_OFFSET,
    PAGE_SIZE,
    PHYS_LIMIT,
    UNCACHED_OFFSET,
    VMALLOC_START,
    PhysAddr,
    VirtAddr,
    offset_in_page,
)
from ..core.bug import BUG
from ..core.current import current_kernel
from ..core.kernel import Kernel
from ..core.machine import Machine
from ..core.tainted import Tainted
from ..core.tell import tell

__all__ = ["Cpu", "dma_mb", "dma_rmb", "dma_wmb", "load", "load_le", "mb", "memcpy", "memset",
           "rmb", "store", "store_le", "wmb"]


class Cpu:
    """The hart of ``machine``, with the kernel's address map.

    Parameters
    ----------
    machine : Machine
        Where accesses go.
    kernel : Kernel
        Whose watchers are told.

    Attributes
    ----------
    vmap : dict
        Pages mapped one by one: virtual page number to page frame number, and whether cached.
    cookies : dict
        Virtual page numbers that must not be used, and why.
    """

    def __init__(self, machine: Machine, kernel: Kernel):
        self._machine, self._kernel = machine, kernel
        self.vmap: dict[int, tuple[int, bool]] = {}
        self.cookies: dict[int, str] = {}

    def translate(self, va: VirtAddr) -> tuple[PhysAddr, bool]:
        """Physical address of ``va``, and whether accesses to it are cached.

        Raises
        ------
        KernelBug
            If nothing is mapped there, or it may not be used as a pointer.
        """
        page = VirtAddr.check(va) // PAGE_SIZE
        if page in self.cookies:
            BUG(f"{self.cookies[page]} used as a pointer: {va!r}")
        if UNCACHED_OFFSET <= va < UNCACHED_OFFSET + PHYS_LIMIT:
            return PhysAddr(int(va) - UNCACHED_OFFSET), False
        if IO_OFFSET <= va < IO_OFFSET + PHYS_LIMIT:
            BUG(f"memory of a device used as a pointer: {va!r}; use readl, memcpy_fromio, ...")
        if va >= VMALLOC_START and page in self.vmap:
            pfn, cached = self.vmap[page]
            return PhysAddr(pfn * PAGE_SIZE + offset_in_page(va)), cached
        if not PAGE_OFFSET <= va < PAGE_OFFSET + PHYS_LIMIT:
            BUG(f"Unable to handle kernel paging request at virtual address {int(va):#018x}")
        return PhysAddr(int(va) - PAGE_OFFSET), True

    def behind(self, va: VirtAddr) -> PhysAddr:
        """Physical address of ``va``, even where it may not be used as a pointer."""
        cookies, self.cookies = self.cookies, {}
        try:
            return self.translate(va)[0]
        finally:
            self.cookies = cookies

    def load(self, va: VirtAddr, size: int) -> bytes:
        """Load ``size`` bytes; any alignment. Raises ``BusError`` as the machine does."""
        parts = []
        if isinstance(size, Tainted) and not size.checked:
            tell(self._kernel, "tainted", "the size of a load")
        for phys, count, cached in self._pieces(va, size):
            parts.append(self._machine.load(int(phys), count, cached=cached))
            if self._kernel.watched:
                tell(self._kernel, "cpu_access", phys, count, write=False, cached=cached)
        return b"".join(parts)

    def store(self, va: VirtAddr, data: bytes) -> None:
        """Store ``data``; any alignment. Raises ``BusError`` as the machine does."""
        done = 0
        for phys, count, cached in self._pieces(va, len(data)):
            self._machine.store(int(phys), bytes(data[done:done + count]), cached=cached)
            done += count
            if self._kernel.watched:
                tell(self._kernel, "cpu_access", phys, count, write=True, cached=cached)

    def _pieces(self, va: VirtAddr, size: int) -> Iterator[tuple[PhysAddr, int, bool]]:
        """Contiguous pieces of a range: all of it, unless pages were mapped one by one."""
        if not self.vmap or not VMALLOC_START <= va < IO_OFFSET:
            phys, cached = self.translate(va)
            yield phys, size, cached
            return
        while size > 0:
            phys, cached = self.translate(va)
            count = min(size, PAGE_SIZE - offset_in_page(va))
            yield phys, count, cached
            va, size = va + count, size - count

    def load_le(self, va: VirtAddr, size: int) -> int:
        """Load a little-endian number of ``size`` bytes."""
        value = int.from_bytes(self.load(va, size), "little")
        return Tainted(value) if self._kernel.watched and self._kernel.tainted(va) else value

    def store_le(self, va: VirtAddr, value: int, size: int) -> None:
        """Store a little-endian number of ``size`` bytes."""
        self.store(va, int(value).to_bytes(size, "little"))

    def mb(self) -> None:
        """Let every earlier access be done before any later one."""
        self._machine.barrier()
        tell(self._kernel, "barrier")

    wmb = rmb = mb                          # the machine has one barrier


def load(va: VirtAddr, size: int) -> bytes:
    """Load ``size`` bytes through the cache, or past it if ``va`` is an uncached alias."""
    return current_kernel().cpu.load(va, size)


def store(va: VirtAddr, data: bytes) -> None:
    """Store ``data`` through the cache, or past it if ``va`` is an uncached alias."""
    current_kernel().cpu.store(va, data)


def load_le(va: VirtAddr, size: int) -> int:
    """Load a little-endian number of ``size`` bytes."""
    return current_kernel().cpu.load_le(va, size)


def store_le(va: VirtAddr, value: int, size: int) -> None:
    """Store a little-endian number of ``size`` bytes."""
    current_kernel().cpu.store_le(va, value, size)


def memset(va: VirtAddr, value: int, size: int) -> VirtAddr:
    """Store ``size`` bytes of ``value``. Returns ``va``."""
    current_kernel().cpu.store(va, bytes([value]) * size)
    return va


def memcpy(dst: VirtAddr, src: VirtAddr, size: int) -> VirtAddr:
    """Copy ``size`` bytes with loads and stores. Returns ``dst``."""
    kernel = current_kernel()
    kernel.cpu.store(dst, kernel.cpu.load(src, size))
    return dst


def mb() -> None:
    """Order all accesses."""
    current_kernel().cpu.mb()


def rmb() -> None:
    """Order loads."""
    current_kernel().cpu.rmb()


def wmb() -> None:
    """Order stores: needed before a doorbell, for coherent memory too (R24)."""
    current_kernel().cpu.wmb()


dma_mb, dma_rmb, dma_wmb = mb, rmb, wmb
