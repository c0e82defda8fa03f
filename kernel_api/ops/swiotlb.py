"""Bounce buffers: memory that a device can reach stands in for memory that it cannot.

A mapping takes consecutive slots of 2 KiB. What is in the original is copied there when it is
mapped, whatever the direction, so that bytes that the device does not write survive (R78); syncs
and unmap copy on (R79).

Source: Linux ``Documentation/core-api/swiotlb.rst``; rules R75 to R90.
"""

import itertools
from dataclasses import dataclass

from ..core.addresses import PAGE_SIZE, PhysAddr, phys_to_virt
from ..core.attrs import DMA_ATTR_NO_WARN, DMA_FROM_DEVICE, DMA_TO_DEVICE, Dir
from ..core.bug import WARN
from ..core.gfp import Gfp
from ..core.kernel import Kernel
from ..core.tell import tell
from ..device.device import Device
from ..device.messages import dev_warn
from ..memory.buddy import MAX_ORDER
from ..memory.pages import alloc_pages, page_to_phys, phys_to_page
from .swiotlb_pool import SET_SLOTS, SLOT_BYTES, Pool, Slots

__all__ = ["Swiotlb", "dma_kmalloc_needs_bounce", "is_swiotlb_active", "is_swiotlb_buffer",
           "is_swiotlb_force_bounce", "swiotlb_max_mapping_size"]

_GROWTH_BYTES = 1 << 20


@dataclass
class Swiotlb:
    """Bounce memory: of the whole kernel, or of one device alone (a restricted pool).

    Parameters
    ----------
    kernel : Kernel
        Whose memory it is.
    pools : list of Pool
        The first is there from the beginning; others came as it grew.
    force : bool
        Everything is bounced.
    for_alloc : bool
        Coherent memory comes from here, too.
    dynamic : bool
        It may grow.
    """

    kernel: Kernel
    pools: list[Pool]
    force: bool = False
    for_alloc: bool = False
    dynamic: bool = False
    _wants_growth: bool = False

    @classmethod
    def make(cls, kernel: Kernel, size: int, *, areas: int = 1, force: bool = False,
             for_alloc: bool = False, dynamic: bool = False) -> "Swiotlb":
        """Take ``size`` bytes of memory below 4 GiB. Raises :exc:`MemoryError` without them."""
        return cls(kernel, [Pool(_take(size), size, areas)], force, for_alloc, dynamic)

    @property
    def used_slots(self) -> int:
        """Slots that are taken."""
        return sum(pool.used for pool in self.pools)

    @property
    def slots(self) -> int:
        """Slots that there are."""
        return sum(pool.count for pool in self.pools)

    def find(self, phys: PhysAddr) -> Slots | None:
        """Find the mapping whose slots hold this address."""
        for pool in self.pools:
            if pool.base <= phys < pool.base + pool.size:
                return pool.owner(int(phys) - pool.base)
        return None

    def map(self, dev: Device, phys: PhysAddr, size: int, attrs: int,
            alloc_mask: int = 0) -> PhysAddr | None:
        """Take slots for a range, and copy it there.

        Parameters
        ----------
        dev, phys, size, attrs
            As of ``dma_map_phys``.
        alloc_mask : int
            The slots begin, and end, at multiples of ``alloc_mask + 1`` (R83).

        Returns
        -------
        PhysAddr or None
            What the device is to use instead; None if the range is too long or there is no room.
        """
        self.grow()
        slots = self._take_slots(dev, phys, size, alloc_mask)
        if slots is None:
            if size > swiotlb_max_mapping_size(dev):
                tell(self.kernel, "too_long", dev, size, swiotlb_max_mapping_size(dev))
            if not attrs & DMA_ATTR_NO_WARN:
                dev_warn(dev, "swiotlb buffer is full (sz: %d bytes), total %d (slots), used %d "
                         "(slots)", size, self.slots, self.used_slots)
            return None
        stats = self.kernel.stats
        stats.bounce_maps += 1
        self._copy(slots.original, slots.addr, size)
        if dev.untrusted and alloc_mask:
            self._clear_padding(dev, slots)
        return slots.addr

    def _take_slots(self, dev: Device, phys: PhysAddr, size: int,
                    alloc_mask: int) -> Slots | None:
        for pool in self.pools:
            if slots := pool.take(dev, phys, size, alloc_mask):
                return slots
        if not self.dynamic or size > SET_SLOTS * SLOT_BYTES:
            return None
        self._wants_growth = True
        room = -(-(size + PAGE_SIZE) // PAGE_SIZE) * PAGE_SIZE
        try:
            pool = Pool(_take(room), room, 1, transient=True)
        except MemoryError:
            return None
        self.pools.append(pool)
        return pool.take(dev, phys, size, alloc_mask)

    def grow(self) -> None:
        """Add a pool if one was wanted, and the caller may sleep: the kernel's background work."""
        if not self._wants_growth or self.kernel.irq.in_atomic:
            return
        self._wants_growth = False
        try:
            self.pools.append(Pool(_take(_GROWTH_BYTES), _GROWTH_BYTES, 1))
        except MemoryError:
            WARN(True, "swiotlb: no memory to grow")

    def unmap(self, addr: PhysAddr) -> None:
        """Give the slots of a mapping back: those taken when it was mapped (R89)."""
        slots = self.find(addr)
        pool = next(pool for pool in self.pools if pool.base <= addr < pool.base + pool.size)
        pool.give(slots)
        if pool.transient:
            self.pools.remove(pool)
            order = (pool.size // PAGE_SIZE - 1).bit_length()
            self.kernel.pages.free(phys_to_page(PhysAddr(pool.base)), order)

    def sync_for_device(self, addr: PhysAddr, size: int, direction: Dir) -> None:
        """Copy the original to the slots, unless the device only writes (R79)."""
        if direction != DMA_FROM_DEVICE:
            self._sync(addr, size, to_slots=True)

    def sync_for_cpu(self, addr: PhysAddr, size: int, direction: Dir) -> None:
        """Copy the slots to the original, unless the device only reads (R79)."""
        if direction != DMA_TO_DEVICE:
            self._sync(addr, size, to_slots=False)

    def _sync(self, addr: PhysAddr, size: int, *, to_slots: bool) -> None:
        slots = self.find(addr)
        offset = addr - slots.addr
        room = slots.size - offset
        if WARN(not 0 <= offset <= slots.size or size > room,
                "Buffer overflow detected. Allocation size: %d. Mapping size: %d.", slots.size,
                size + offset):
            size = max(0, min(size, room))
        original = slots.original + offset
        if size > 0:
            self._copy(*((original, addr) if to_slots else (addr, original)), size)

    def _copy(self, source: PhysAddr, target: PhysAddr, size: int) -> None:
        """Copy with the CPU, through its cache."""
        cpu = self.kernel.cpu
        with self.kernel.unwatched():
            cpu.store(phys_to_virt(target), cpu.load(phys_to_virt(source), size))
        self.kernel.stats.bounced_bytes += size

    def _clear_padding(self, dev: Device, slots: Slots) -> None:
        first = PhysAddr(slots.pool.base + slots.first * SLOT_BYTES)
        before, end = slots.addr - first, slots.addr + slots.size
        after = first + slots.count * SLOT_BYTES - end
        for start, size in ((first, before), (end, after)):
            if size:
                self.kernel.cpu.store(phys_to_virt(start), bytes(size))
                if not dev.dma_coherent:
                    self.kernel.cache.wback(start, size)

    def release(self) -> None:
        """Give the memory back, unless some of it is in use."""
        for pool in [pool for pool in self.pools if not pool.used]:
            order = min(MAX_ORDER, (pool.size // PAGE_SIZE - 1).bit_length())
            for start in range(pool.base, pool.base + pool.size, PAGE_SIZE << order):
                self.kernel.pages.free(phys_to_page(PhysAddr(start)), order)
            self.pools.remove(pool)

    # Coherent memory of a restricted pool

    def alloc(self, dev: Device, size: int) -> PhysAddr | None:
        """Take page-aligned slots for coherent memory, or None."""
        slots = self._take_slots(dev, PhysAddr(0), size, PAGE_SIZE - 1)
        return slots.addr if slots else None


def _take(size: int) -> PhysAddr:
    """Contiguous memory below 4 GiB."""
    order = (-(-size // PAGE_SIZE) - 1).bit_length()
    if order <= MAX_ORDER:
        page = alloc_pages(Gfp.DMA32 | Gfp.RECLAIM | Gfp.NOWARN, order)
        if page is None:
            raise MemoryError(f"Bounce pool must find {size:#x} contiguous bytes below 4 GiB")
        return page_to_phys(page)
    blocks = [alloc_pages(Gfp.DMA32 | Gfp.RECLAIM | Gfp.NOWARN, MAX_ORDER)
              for _ in range(-(-size // (PAGE_SIZE << MAX_ORDER)))]
    if None in blocks or any(after.pfn - block.pfn != 1 << MAX_ORDER
                             for block, after in itertools.pairwise(blocks)):
        raise MemoryError(f"Bounce pool must find {size:#x} contiguous bytes below 4 GiB")
    return page_to_phys(blocks[0])


def is_swiotlb_active(dev: Device) -> bool:
    """Whether mappings of a device can be bounced."""
    return dev.io_tlb_mem is not None


def is_swiotlb_force_bounce(dev: Device) -> bool:
    """Whether all mappings of a device are bounced."""
    return dev.io_tlb_mem is not None and dev.io_tlb_mem.force


def is_swiotlb_buffer(dev: Device, phys: PhysAddr) -> bool:
    """Whether an address is in bounce memory of a device."""
    return dev.io_tlb_mem is not None and dev.io_tlb_mem.find(phys) is not None


def swiotlb_max_mapping_size(dev: Device) -> int:
    """Bytes of the longest range that can be bounced (R80)."""
    return SET_SLOTS * SLOT_BYTES - (dev.min_align_mask + SLOT_BYTES - 1 & -SLOT_BYTES)


def dma_kmalloc_needs_bounce(dev: Device, size: int, direction: Dir) -> bool:
    """Whether a small object may share a line with another, and so must be bounced (R72)."""
    line = 1 if dev.kernel.platform.coherent else dev.kernel.platform.line_bytes
    if dev.dma_coherent or direction == DMA_TO_DEVICE or size >= 2 * line:
        return False
    return bool(dev.kernel.slab.size_of(size) % line)
