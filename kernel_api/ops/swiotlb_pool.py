"""Slots of bounce memory: which are free, and where a mapping may lie.

Source: rules R75 to R77 and R81 to R84.
"""

from dataclasses import dataclass

from ..core.addresses import PAGE_SIZE, PhysAddr
from ..device.device import Device

__all__ = ["SET_SLOTS", "SLOT_BYTES", "Pool", "Slots"]

SLOT_BYTES = 2048
#: A mapping lies within a set of so many slots: 256 KiB.
SET_SLOTS = 128


@dataclass(frozen=True)
class Slots:
    """Slots that a mapping has taken.

    Parameters
    ----------
    pool : Pool
        Where.
    first, count : int
        Slots, with those that only align.
    addr : PhysAddr
        What stands for the original's first byte.
    original : PhysAddr
        The original's first byte.
    size : int
        Bytes of the mapping.
    """

    pool: "Pool"
    first: int
    count: int
    addr: PhysAddr
    original: PhysAddr
    size: int


class Pool:
    """Slots from ``base`` on, in ``areas`` areas of at least a set each.

    Parameters
    ----------
    base : PhysAddr
        First byte.
    size : int
        Bytes.
    areas : int
        Areas wanted; a power of two is made of it. A search begins in the first.
    transient : bool
        It goes with its only mapping.
    """

    def __init__(self, base: PhysAddr, size: int, areas: int, *, transient: bool = False):
        self.base, self.size, self.transient = int(base), size, transient
        self.count = size // SLOT_BYTES
        wanted = 1 << (areas - 1).bit_length()
        sets = max(1, self.count // SET_SLOTS)
        # Each area is whole sets: as many as divide them all.
        self.areas = min(wanted, sets & -sets)
        self.area_slots = self.count // self.areas
        self._owners: list[Slots | None] = [None] * self.count
        self._used = [0] * self.areas
        self._next = [area * self.area_slots for area in range(self.areas)]

    @property
    def used(self) -> int:
        """Slots that are taken."""
        return sum(self._used)

    def used_in(self, area: int) -> int:
        """Slots of an area that are taken."""
        return self._used[area]

    def owner(self, offset: int) -> Slots | None:
        """Find the mapping that has the slot of this byte of the pool."""
        return self._owners[offset // SLOT_BYTES]

    def take(self, dev: Device, phys: PhysAddr, size: int, alloc_mask: int) -> Slots | None:
        """Take slots for ``size`` bytes at ``phys``. None if there is no place."""
        low_mask = dev.min_align_mask
        offset = int(phys) & low_mask & (alloc_mask | SLOT_BYTES - 1)
        total = size + offset + alloc_mask & ~alloc_mask
        count = -(-total // SLOT_BYTES)
        keep = low_mask & ~alloc_mask & ~(SLOT_BYTES - 1)
        align = alloc_mask | SLOT_BYTES - 1
        if total >= PAGE_SIZE and not alloc_mask and not low_mask:
            align = PAGE_SIZE - 1               # R82
        if count > SET_SLOTS:
            return None
        area = dev.kernel.current_cpu % self.areas
        for turn in range(self.areas):
            first = self._search((area + turn) % self.areas, count, align, keep, int(phys),
                                 dev.dma_parms.segment_boundary_mask if dev.dma_parms else -1,
                                 dev.dma_offset)
            if first is not None:
                slots = Slots(self, first, count, PhysAddr(self.base + first * SLOT_BYTES + offset),
                              phys, size)
                self._set(slots, slots)
                return slots
        return None

    def _search(self, area: int, count: int, align: int, keep: int, phys: int, boundary: int,
                bus_offset: int) -> int | None:
        """First slot of a free run in an area, or None."""
        low = area * self.area_slots
        if self.area_slots - self._used[area] < count:
            return None
        begin = self._next[area] - low
        run = 0
        for step in range(2 * self.area_slots):
            index = low + (begin + step) % self.area_slots
            if index == low:
                run = 0                         # a run does not go on at the area's beginning
            run = 0 if self._owners[index] else run + 1
            first = index - count + 1
            if run < count or first // SET_SLOTS != index // SET_SLOTS:
                continue
            addr = self.base + first * SLOT_BYTES
            if addr & align & ~(SLOT_BYTES - 1) or (addr ^ phys) & keep:
                continue
            bus = addr - bus_offset
            if bus & ~boundary != (bus + count * SLOT_BYTES - 1) & ~boundary:
                continue
            self._next[area] = low + (first + count - low) % self.area_slots
            return first
        return None

    def give(self, slots: Slots) -> None:
        """Give slots back."""
        self._set(slots, None)

    def _set(self, slots: Slots, owner: Slots | None) -> None:
        for index in range(slots.first, slots.first + slots.count):
            self._owners[index] = owner
        self._used[slots.first // self.area_slots] += slots.count if owner else -slots.count
