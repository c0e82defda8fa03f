"""What the ownership checker keeps: who owns which bytes, and what became of cache lines."""

from collections import deque
from collections.abc import Iterator

from rtl.spec.platform import BusEvent, Seen

from ..core.addresses import PAGE_SHIFT, PAGE_SIZE, DmaAddr
from ..core.kernel import Kernel
from ..device.device import Device
from ..device.mappings import Kind, Mapping

__all__ = ["LineHistory", "Owned", "OwnedMappings"]


class Owned:
    """A mapping, what of it the CPU has been lent, and what the device wrote since.

    Attributes
    ----------
    mapping : Mapping
        What it is.
    coherent : bool
        The device sees the cache.
    ended : int
        Cycle of the unmap.
    """

    def __init__(self, mapping: Mapping, kernel: Kernel):
        self.mapping, self.ended = mapping, 0
        self.coherent = mapping.dev.dma_coherent
        self._lent: list[tuple[int, int]] = []
        # Start, end, cycle: what the device wrote, and stores that it has not been given.
        self._writes: list[tuple[int, int, int]] = []
        self._stores: list[tuple[int, int, int]] = []
        mapping.made_at = mapping.made_at or kernel.machine.cycles

    def overlap(self, addr: int, size: int, *, original: bool = False) -> tuple[int, int]:
        """Part of a range that is in the mapping: start and end, in original memory."""
        base, shift = int(self.mapping.phys), 0
        if not original and self.mapping.bounced is not None:
            shift = base - int(self.mapping.bounced)
        return max(addr + shift, base), min(addr + size + shift, base + self.mapping.size)

    def lend(self, start: int, size: int) -> None:
        """Let the CPU have a range; what the device wrote there is known."""
        self._lent.append((start, start + size))
        self._writes = [write for write in self._writes
                        if not (start <= write[0] and write[1] <= start + size)]

    def give_back(self, start: int, size: int) -> None:
        """Take a range from the CPU."""
        end, kept = start + size, []
        self._stores = [store for store in self._stores
                        if not (start <= store[0] and store[1] <= end)]
        for low, high in self._lent:
            kept += [(low, min(high, start)), (max(low, end), high)]
        self._lent = [(low, high) for low, high in kept if low < high]

    def lends(self, start: int, end: int) -> bool:
        """Whether the CPU has been lent all of a range."""
        for low, high in sorted(self._lent):
            if low <= start < high:
                start = high
        return start >= end

    def device_wrote(self, event: BusEvent) -> None:
        """Note a write of the device."""
        self._writes.append((*self.overlap(event.addr, event.size), event.cycle))

    def written(self, start: int, end: int) -> int | None:
        """Cycle of the device's last write to a range, or None."""
        return _last(self._writes, start, end)

    def store(self, start: int, end: int, cycle: int) -> None:
        """Note a store of the CPU."""
        self._stores.append((start, end, cycle))

    def stored(self, start: int, end: int) -> int | None:
        """Cycle of the CPU's last store to a range that was not given back since, or None."""
        return _last(self._stores, start, end)


def _last(accesses: list[tuple[int, int, int]], start: int, end: int) -> int | None:
    return max((cycle for low, high, cycle in accesses if low < end and start < high),
               default=None)


def _words(mapping: Mapping, word: int) -> tuple[int, int]:
    """Start and end of the words in which a mapping's bytes lie, as devices see them.

    Coherent memory comes in whole pages: what is behind the buffer in its last page is nobody's.
    """
    start, word = int(mapping.dma), PAGE_SIZE if mapping.kind is Kind.COHERENT else word
    return start & -word, -(-(start + mapping.size) // word) * word


class OwnedMappings:
    """Live mappings, by page, and the last that were removed."""

    def __init__(self):
        self._all: dict[Owned, None] = {}
        self._pages: dict[int, dict[Owned, None]] = {}
        self._gone: deque[Owned] = deque(maxlen=64)

    @staticmethod
    def _pages_of(owned: Owned) -> Iterator[int]:
        mapping = owned.mapping
        for start in {mapping.phys, mapping.bounced} - {None}:
            yield from range(int(start) >> PAGE_SHIFT,
                             (int(start) + mapping.size - 1 >> PAGE_SHIFT) + 1)

    def add(self, owned: Owned) -> None:
        """Add a mapping."""
        self._all[owned] = None
        for page in self._pages_of(owned):
            self._pages.setdefault(page, {})[owned] = None

    def remove(self, dev: Device, dma: DmaAddr, now: int) -> list[Owned]:
        """Take out what begins at this handle: with a list, all of it."""
        found = next((owned for owned in self._all
                      if owned.mapping.dev is dev and owned.mapping.dma == dma), None)
        if found is None:
            return []
        group = found.mapping.group
        removed = [owned for owned in self._all if owned is found
                   or (group is not None and owned.mapping.group is group)]
        for owned in removed:
            del self._all[owned]
            for page in self._pages_of(owned):
                del self._pages[page][owned]
            owned.ended = now
            self._gone.append(owned)
        return removed

    def of(self, dev: Device) -> list[Owned]:
        """List mappings of a device."""
        return [owned for owned in self._all if owned.mapping.dev is dev]

    def streaming(self, dev: Device) -> list[Owned]:
        """List streaming mappings of a device, the oldest first."""
        return [owned for owned in self.of(dev) if owned.mapping.kind in (Kind.PHYS, Kind.SG)]

    def in_memory(self, addr: int, size: int, *, original: bool = False) -> list[Owned]:
        """Find mappings that have a byte of this range of memory, or their bounce memory has."""
        found: dict[Owned, None] = {}
        for page in range(addr >> PAGE_SHIFT, (addr + size - 1 >> PAGE_SHIFT) + 1):
            for owned in self._pages.get(page, ()):
                low = owned.mapping.phys if original or owned.mapping.bounced is None \
                    else owned.mapping.bounced
                if int(low) < addr + size and addr < int(low) + owned.mapping.size:
                    found[owned] = None
        return list(found)

    def of_device(self, addr: int, size: int, word: int) -> Owned | None:
        """Find what covers a range of the device's addresses, by whole words of ``word`` bytes."""
        pieces = [(low, high, owned) for owned in self._all
                  for low, high in [_words(owned.mapping, word)]
                  if low < addr + size and addr < high]
        at = addr
        for low, high, _ in sorted(pieces, key=lambda piece: piece[0]):
            if low <= at:
                at = max(at, high)
        return pieces[0][2] if pieces and at >= addr + size else None

    def of_device_granule(self, addr: int, granule: int) -> Owned | None:
        """Find a mapping in whose pages an address of the device lies."""
        page = addr // granule
        return next((owned for owned in self._all
                     if int(owned.mapping.dma) // granule <= page
                     <= (int(owned.mapping.dma) + owned.mapping.size - 1) // granule), None)

    def cut(self, addr: int) -> Owned | None:
        """Find the mapping of whose handle an address is the low 32 bits."""
        return next((owned for owned in self._all if int(owned.mapping.dma) >> 32
                     and 0 <= addr - (int(owned.mapping.dma) & 0xFFFF_FFFF) < owned.mapping.size),
                    None)

    def gone(self, addr: int) -> Owned | None:
        """Find the mapping that had an address of the device, and was removed."""
        return next((owned for owned in reversed(self._gone)
                     if int(owned.mapping.dma) <= addr
                     < int(owned.mapping.dma) + owned.mapping.size), None)

    def claimed(self, dev: Device, claimed: Mapping) -> list[tuple[Owned, int, int]]:
        """Find what a sync meant: mappings, with start and bytes in original memory."""
        for owned in self._all:
            mapping = owned.mapping
            offset = int(claimed.dma) - int(mapping.dma)
            if mapping.dev is dev and mapping.phys is not None and 0 <= offset < mapping.size:
                if claimed.nents and mapping.group:
                    entries = mapping.group[:claimed.nents]
                    return [(other, int(other.mapping.phys), other.mapping.size)
                            for other in self._all if other.mapping in entries]
                size = min(claimed.size, mapping.size - offset)
                return [(owned, int(mapping.phys) + offset, size)]
        return []


class LineHistory:
    """When each cache line was filled, stored to, and overtaken by a device.

    Parameters
    ----------
    line_bytes : int
        Length of a line.
    """

    def __init__(self, line_bytes: int):
        self._bytes, self._clock = line_bytes, 0
        self._filled: dict[int, tuple[int, int]] = {}       # line: order, cycle
        self._device: dict[int, int] = {}                   # line: order of the last write
        self._dirty: dict[int, tuple[int, dict[int, None]]] = {}    # line: cycle, bytes stored

    def _lines(self, addr: int, size: int) -> range:
        return range(addr // self._bytes, (addr + size - 1) // self._bytes + 1)

    def event(self, event: BusEvent) -> None:
        """Note a fill or a write-back."""
        self._clock += 1
        for line in self._lines(event.addr, event.size):
            if event.kind is Seen.FILL:         # perhaps for a store that is already noted
                self._filled[line] = self._clock, event.cycle
            else:
                self._dirty.pop(line, None)

    def device_wrote(self, event: BusEvent) -> None:
        """Note a write of a device to memory."""
        self._clock += 1
        for line in self._lines(event.addr, event.size):
            self._device[line] = self._clock

    def cpu_stored(self, addr: int, size: int, cycle: int) -> None:
        """Note a store to the cache."""
        for line in self._lines(addr, size):
            _, held = self._dirty.get(line, (0, {}))
            low, high = max(addr, line * self._bytes), min(addr + size, (line + 1) * self._bytes)
            self._dirty[line] = cycle, held | dict.fromkeys(range(low, high))

    def maintained(self, addr: int, size: int) -> None:
        """Note that a range was cleaned by a map."""
        for line in self._lines(addr, size):
            self._dirty.pop(line, None)

    def dirty(self, start: int, end: int) -> tuple[int, int] | None:
        """First byte of a range that only the cache holds, and the cycle of its store."""
        for line in self._lines(start, end - start):
            cycle, held = self._dirty.get(line, (0, {}))
            inside = [addr for addr in held if start <= addr < end]
            if inside:
                return min(inside), cycle
        return None

    def stale(self, start: int, end: int) -> tuple[int, str] | None:
        """First byte of a range in a line older than a device's write; when it was filled."""
        for line in self._lines(start, end - start):
            order, cycle = self._filled.get(line, (0, 0))
            if order < self._device.get(line, 0):
                when = f"at cycle {cycle}" if order else "long"
                return max(start, line * self._bytes), when
        return None

    def dropped(self, addr: int, size: int) -> tuple[int, int] | None:
        """Note that lines were dropped. First byte stored there and not written back; its cycle."""
        lost = None
        for line in self._lines(addr, size):
            cycle, held = self._dirty.pop(line, (0, {}))
            if held and lost is None:
                lost = min(held), cycle
        return lost
