"""Loads and stores by virtual address, barriers, and what C programs do with pointers.

The functions act on the current kernel: ``cpu.load(va, 4)``, ``cpu.store(va, data)``,
``cpu.wmb()``.
"""

from .addresses import (
    PAGE_OFFSET,
    PHYS_LIMIT,
    UNCACHED_OFFSET,
    PhysAddr,
    VirtAddr,
    is_vmalloc_addr,
)
from .bug import BUG
from .current import current_kernel
from .machine import Machine

__all__ = ["Cpu", "load", "load_le", "mb", "memcpy", "memset", "rmb", "store", "store_le", "wmb"]


class Cpu:
    """The hart of ``machine``, with the kernel's address map.

    Parameters
    ----------
    machine : Machine
        Where accesses go.
    """

    def __init__(self, machine: Machine):
        self._machine = machine

    @staticmethod
    def translate(va: VirtAddr) -> tuple[PhysAddr, bool]:
        """Physical address of ``va``, and whether accesses to it are cached.

        Raises
        ------
        KernelBug
            If nothing is mapped there.
        """
        if is_vmalloc_addr(va):
            return PhysAddr(int(va) - UNCACHED_OFFSET), False
        if not PAGE_OFFSET <= va < PAGE_OFFSET + PHYS_LIMIT:
            BUG(f"Unable to handle kernel paging request at virtual address {int(va):#018x}")
        return PhysAddr(int(va) - PAGE_OFFSET), True

    def load(self, va: VirtAddr, size: int) -> bytes:
        """Load ``size`` bytes; any alignment. Raises ``BusError`` as the machine does."""
        phys, cached = self.translate(va)
        return self._machine.load(int(phys), size, cached=cached)

    def store(self, va: VirtAddr, data: bytes) -> None:
        """Store ``data``; any alignment. Raises ``BusError`` as the machine does."""
        phys, cached = self.translate(va)
        self._machine.store(int(phys), bytes(data), cached=cached)

    def load_le(self, va: VirtAddr, size: int) -> int:
        """Load a little-endian number of ``size`` bytes."""
        return int.from_bytes(self.load(va, size), "little")

    def store_le(self, va: VirtAddr, value: int, size: int) -> None:
        """Store a little-endian number of ``size`` bytes."""
        self.store(va, int(value).to_bytes(size, "little"))

    def mb(self) -> None:
        """Let every earlier access be done before any later one."""
        self._machine.barrier()

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
