"""Lines of the write-back cache, and what accesses do to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rtl.spec.cache_regs import CACHE_REGISTERS
from rtl.spec.platform import BusError, Seen

from .memory import Memory
from .replacement import TreePlru

__all__ = ["GUARDS", "Line", "Lines"]

_STATUS = CACHE_REGISTERS["status"]
_COUNTERS = ("read_hits", "read_misses", "write_hits", "write_misses", "evictions", "cleaned",
             "invalidated", "snoop_hits", "snoop_misses")
#: Registers of the guard windows.
GUARDS = tuple(f"guard{number}{part}" for number in range(2) for part in ("", "_last"))


class _RefillError(BusError):
    """Memory failed for some word of a line."""


@dataclass
class Line:
    """Contents of one way of a set. ``addr`` is that of its first byte."""

    valid: bool = False
    dirty: bool = False
    addr: int = 0
    data: bytearray = field(default_factory=bytearray)


class Lines:
    """Set-associative, write-back, write-allocate; refills on demand only.

    Every access must stay within a line. A line that cannot be written back stays valid and dirty;
    an access that needed its place is answered with that error and takes no place.

    Parameters
    ----------
    memory : Memory
        Behind the cache.
    size_bytes, ways, line_bytes : int, powers of two
        Geometry.
    bus_bytes : int
        Width of the bus: what one error of memory concerns.
    guards : int
        Guard windows.
    """

    def __init__(self, memory: Memory, *, size_bytes: int, ways: int, line_bytes: int,
                 bus_bytes: int, guards: int):
        self._guards = guards
        self._memory, self._bus_bytes = memory, bus_bytes
        self.line_bytes = line_bytes
        sets = size_bytes // (ways * line_bytes)
        self._sets = [[Line() for _ in range(ways)] for _ in range(sets)]
        self._order = [TreePlru(ways) for _ in range(sets)]
        self._words = dict.fromkeys(("start", "end", "err_addr", *GUARDS), 0)
        self._status = 0
        self.counters = dict.fromkeys(_COUNTERS, 0)
        #: Told of fills and write-backs, if somebody watches.
        self.note: Callable[[Seen, int, int], None] | None = None

    def load(self, addr: int, size: int) -> bytes:
        """Load from within a line.

        Raises
        ------
        BusError
            If memory fails for a bus word that the load needs. Other words of a line whose refill
            fails, or whose place could not be made free, are passed on, and not kept.
        """
        if self._guarded(addr):
            return self.load_uncached(addr, size)
        try:
            line = self._demand(addr, "read")
        except _RefillError:
            word = self._bus_bytes
            first, last = addr - addr % word, addr + size - 1
            data = b"".join(self._memory.read(at, word) for at in range(first, last + 1, word))
            return data[addr - first:addr - first + size]
        offset = addr % self.line_bytes
        return bytes(line.data[offset:offset + size])

    def store(self, addr: int, data: bytes) -> None:
        """Store within a line. Raises :exc:`BusError` if the refill fails."""
        if self._guarded(addr):
            self.store_uncached(addr, data)
            return
        line = self._demand(addr, "write")
        offset = addr % self.line_bytes
        line.data[offset:offset + len(data)] = data
        line.dirty = True

    def _guarded(self, addr: int) -> bool:
        """Whether a guard window is on that page."""
        return any(self._words[f"guard{number}"] & 1
                   and self._words[f"guard{number}"] >> 12 <= addr >> 12
                   <= self._words[f"guard{number}_last"] >> 12 for number in range(self._guards))

    def load_uncached(self, addr: int, size: int) -> bytes:
        """Load from memory; a line that is present is written back and dropped first.

        Exclusive accesses are of this kind, too.
        """
        self._bypass(addr)
        return self._memory.read(addr, size)

    def store_uncached(self, addr: int, data: bytes) -> None:
        """Store to memory; a line that is present is written back and dropped first."""
        self._bypass(addr)
        self._memory.write(addr, data)

    def snoop(self, addr: int, size: int, *, write: bool) -> None:
        """Make memory fit for an access of a coherent device within a line.

        A dirty line is written back, unless the device writes all of it; before a write, the line
        is dropped.

        Raises
        ------
        BusError
            ``SLVERR`` if the line cannot be written back.
        """
        line = self._find(addr)
        found = line is not None and (write or line.dirty)
        self.counters["snoop_hits" if found else "snoop_misses"] += 1
        if not found:
            return
        if not write or size < self.line_bytes:
            self._clean(line)
            if line.dirty:
                raise BusError(addr, "SLVERR")
        if write:
            line.valid = line.dirty = False

    def line(self, addr: int) -> tuple[bool, bool, bytes]:
        """Whether the line of ``addr`` is valid and dirty, and its bytes; for diagnosis."""
        line = self._find(addr)
        return (True, line.dirty, bytes(line.data)) if line else (False, False, b"")

    def _demand(self, addr: int, kind: str | None) -> Line:
        """Line of ``addr``, brought in if it is not there."""
        line = self._find(addr)
        if kind:
            self.counters[f"{kind}_{'hits' if line else 'misses'}"] += 1
        index = self._index(addr)
        ways = self._sets[index]
        found = bool(line)
        line = line or ways[self._order[index].victim([way.valid for way in ways])]
        self._order[index].touch(ways.index(line))
        if not found:
            self._refill(line, addr - addr % self.line_bytes)
        return line

    def _refill(self, line: Line, addr: int) -> None:
        if line.valid:
            self.counters["evictions"] += self._clean(line)
            if line.dirty:
                raise _RefillError(addr, "SLVERR")
            line.valid = False
        try:
            line.data = bytearray(self._memory.read(addr, self.line_bytes))
        except BusError as error:
            self._fail("refill_error", addr)
            raise _RefillError(addr, error.resp) from None
        line.valid, line.dirty, line.addr = True, False, addr
        if self.note:
            self.note(Seen.FILL, addr, self.line_bytes)

    def _bypass(self, addr: int) -> None:
        line = self._find(addr)
        if line:
            self._clean(line)
            if line.dirty:
                raise BusError(addr, "SLVERR")
            line.valid = False

    def _clean(self, line: Line) -> bool:
        """Write a dirty line back. Returns whether that was done."""
        if not line.dirty:
            return False
        try:
            self._memory.write(line.addr, bytes(line.data))
        except BusError:
            self._fail("write_error", line.addr)
            return False
        line.dirty = False
        if self.note:
            self.note(Seen.WRITE_BACK, line.addr, self.line_bytes)
        return True

    def _fail(self, bit: str, addr: int) -> None:
        if not self._status & (_STATUS["refill_error"].mask | _STATUS["write_error"].mask):
            self._words["err_addr"] = addr
        self._status |= _STATUS[bit].mask

    def _index(self, addr: int) -> int:
        return addr // self.line_bytes % len(self._sets)

    def _find(self, addr: int) -> Line | None:
        first = addr - addr % self.line_bytes
        for line in self._sets[self._index(addr)]:
            if line.valid and line.addr == first:
                return line
        return None

    def _all(self) -> list[Line]:
        lines = (line for ways in self._sets for line in ways if line.valid)
        return sorted(lines, key=lambda line: line.addr)

    def _range(self, start: int, end: int) -> Iterator[Line]:
        """Lines that are present and hold a byte of ``[start, end)``."""
        if end - start > self.line_bytes * len(self._sets):
            yield from (line for line in self._all()
                        if line.addr < end and start < line.addr + self.line_bytes)
            return
        for addr in range(start - start % self.line_bytes, end, self.line_bytes):
            line = self._find(addr)
            if line and start < end:
                yield line
