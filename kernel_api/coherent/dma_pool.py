"""Pools: small coherent blocks, aligned, and not across a boundary.

Free blocks are a list whose links lie in the blocks themselves, in memory that the device can
write: a device that writes a freed block decides what a later allocation returns (R48).

Source: Linux ``mm/dmapool.c`` (behaviour), ``Documentation/core-api/dma-api.rst``, part Ib; rules
R40 to R50.
"""

from dataclasses import dataclass

from ..core.addresses import PAGE_SIZE, DmaAddr, VirtAddr
from ..core.attrs import DMA_MAPPING_ERROR
from ..core.bug import WARN
from ..core.gfp import Gfp
from ..core.tell import tell
from ..device.device import Device
from ..device.devres import devm_add, devm_forget
from ..device.messages import dev_err
from ..platform.context import might_alloc, might_sleep
from .coherent import dma_alloc_coherent, dma_free_coherent

__all__ = ["DmaPool", "dma_pool_alloc", "dma_pool_create", "dma_pool_create_node",
           "dma_pool_destroy", "dma_pool_free", "dma_pool_zalloc", "dmam_pool_create",
           "dmam_pool_destroy", "pci_pool_alloc", "pci_pool_create", "pci_pool_destroy",
           "pci_pool_free", "pci_pool_zalloc"]

_MAX_SIZE = (1 << 31) - 1
#: Room for the link: address of the next free block, and its DMA address.
_LINK_BYTES = 16


@dataclass(frozen=True)
class _Page:
    va: VirtAddr
    dma: DmaAddr


class DmaPool:
    """Blocks of one size; made by :func:`dma_pool_create`.

    Attributes
    ----------
    name : str
        For messages.
    dev : Device
        For which the blocks are.
    size : int
        Bytes of a block, rounded up.
    allocation : int
        Bytes that are taken at a time.
    boundary : int
        No block crosses a multiple of it.
    used : int
        Blocks handed out.
    """

    def __init__(self, name: str, dev: Device, size: int, align: int, boundary: int):
        self.name, self.dev = name, dev
        self.size = -(-max(size, _LINK_BYTES) // align) * align
        self.allocation = max(self.size, PAGE_SIZE)
        self.boundary = min(boundary or self.allocation, self.allocation)
        self.used = 0
        self._pages: list[_Page] = []
        self._live: dict[int, VirtAddr] = {}            # for checks: blocks handed out
        self._next: tuple[int, int] = (0, 0)            # first free block: both addresses

    @property
    def pages(self) -> int:
        """Allocations taken so far."""
        return len(self._pages)

    def offsets(self) -> list[int]:
        """Where blocks lie in an allocation, in order of address (R44)."""
        found, offset, limit = [], 0, self.boundary
        while offset + self.size <= self.allocation:
            if offset + self.size > limit:
                offset = limit
                limit += self.boundary
                continue
            found.append(offset)
            offset += self.size
        return found

    def alloc(self, gfp: int) -> tuple[VirtAddr | None, DmaAddr]:
        """Take the first free block: the one freed last."""
        if self._next[0]:
            might_alloc(gfp, "dma_pool_alloc")
        elif not self._add_page(gfp):
            return None, DMA_MAPPING_ERROR
        va, dma = VirtAddr(self._next[0]), DmaAddr(self._next[1])
        cpu = self.dev.kernel.cpu
        with self.dev.kernel.unwatched():
            self._next = cpu.load_le(va, 8), cpu.load_le(va + 8, 8)
        self.used += 1
        self._live[int(va)] = va
        if self.dev.kernel.checkers:
            tell(self.dev.kernel, "pool_block", cpu.behind(va), self.size, free=False)
        return va, dma

    def _add_page(self, gfp: int) -> bool:
        va, dma = dma_alloc_coherent(self.dev, self.allocation, gfp & ~Gfp.ZERO)
        if va is None:
            return False
        self._pages.append(_Page(va, dma))
        for offset in reversed(self.offsets()):
            self._link(va + offset, dma + offset)
        return True

    def _link(self, va: VirtAddr, dma: DmaAddr) -> None:
        with self.dev.kernel.unwatched():
            self.dev.kernel.cpu.store_le(va, self._next[0] | self._next[1] << 64, 16)
        self._next = int(va), int(dma)

    def free(self, va: VirtAddr, dma: DmaAddr) -> None:
        """Make a block the first free one; without checkers, whatever it is."""
        page = next((page for page in self._pages if page.va <= va < page.va + self.allocation),
                    None)
        if page is None:
            dev_err(self.dev, "dma_pool_free %s, %#x/%#x (bad vaddr)", self.name, va, dma)
            return
        if self.dev.kernel.checkers:
            if WARN(va - page.va != dma - page.dma, "dma_pool_free %s, %#x (bad dma)", self.name,
                    dma):
                return
            if WARN(int(va) not in self._live, "dma_pool_free %s, dma %#x already free", self.name,
                    dma):
                return
            tell(self.dev.kernel, "pool_block", self.dev.kernel.cpu.behind(va), self.size,
                 free=True)
        self._live.pop(int(va), None)
        self._link(va, dma)
        self.used -= 1

    def destroy(self) -> None:
        """Free what is not in use; pages with live blocks are lost, with a message (R47)."""
        if self.used:
            dev_err(self.dev, "dma_pool_destroy %s busy", self.name)
        for page in self._pages:
            if not any(page.va <= va < page.va + self.allocation for va in self._live.values()):
                dma_free_coherent(self.dev, self.allocation, page.va, page.dma)
        self._pages, self._next = [], (0, 0)


def dma_pool_create(name: str, dev: Device | None, size: int, align: int,
                    boundary: int) -> DmaPool | None:
    """Make a pool of blocks of ``size`` bytes.

    Parameters
    ----------
    name : str
        For messages.
    dev : Device or None
        For which it is.
    size : int
        Bytes of a block.
    align, boundary : int
        Powers of two, in bytes; 0: none.

    Returns
    -------
    DmaPool or None
        None if there is no device, the size is 0 or more than 2**31 - 1, or ``align`` or
        ``boundary`` is no power of two, or the latter less than ``size`` (R42).
    """
    align = align or 1
    if dev is None or not 0 < size <= _MAX_SIZE or align & align - 1 or align < 0:
        return None
    if boundary and (boundary < size or boundary & boundary - 1):
        return None
    might_sleep("dma_pool_create")
    return DmaPool(name, dev, size, align, boundary)


def dma_pool_create_node(name: str, dev: Device | None, size: int, align: int, boundary: int,
                         node: int) -> DmaPool | None:
    """Make a pool on a memory node; there is one."""
    return dma_pool_create(name, dev, size, align, boundary)


def dma_pool_alloc(pool: DmaPool, gfp: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Take a block. Returns both addresses; ``(None, DMA_MAPPING_ERROR)`` without memory."""
    va, dma = pool.alloc(gfp)
    if va is not None and gfp & Gfp.ZERO:
        with pool.dev.kernel.unwatched():
            pool.dev.kernel.cpu.store(va, bytes(pool.size))
    return va, dma


def dma_pool_zalloc(pool: DmaPool, gfp: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Take a block of zeros."""
    return dma_pool_alloc(pool, gfp | Gfp.ZERO)


def dma_pool_free(pool: DmaPool, va: VirtAddr, dma: DmaAddr) -> None:
    """Give a block back, in any context."""
    pool.free(VirtAddr.check(va), DmaAddr.check(dma))


def dma_pool_destroy(pool: DmaPool | None) -> None:
    """Free a pool; None is ignored. May sleep."""
    if pool is not None:
        might_sleep("dma_pool_destroy")
        pool.destroy()


def dmam_pool_create(name: str, dev: Device, size: int, align: int,
                     boundary: int) -> DmaPool | None:
    """Make a pool that goes with its device."""
    pool = dma_pool_create(name, dev, size, align, boundary)
    if pool:
        devm_add(dev, pool, lambda: dma_pool_destroy(pool))
    return pool


def dmam_pool_destroy(pool: DmaPool) -> None:
    """Free a managed pool before its device goes."""
    devm_forget(pool.dev, pool)
    dma_pool_destroy(pool)


pci_pool_create, pci_pool_destroy = dma_pool_create, dma_pool_destroy
pci_pool_alloc, pci_pool_zalloc, pci_pool_free = dma_pool_alloc, dma_pool_zalloc, dma_pool_free
