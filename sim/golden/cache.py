"""The write-back cache between the CPU and memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rtl.spec.cache_regs import CACHE_REGISTERS, CacheEdge, CacheMode
from rtl.spec.platform import BusError, Seen

from .memory import Memory
from .replacement import TreePlru

__all__ = ["Cache", "Line"]

_VERSION = 1
_WORD = (1 << 32) - 1
_CTL, _CAP, _STATUS, _CMD, _RESULT = (
    CACHE_REGISTERS[name] for name in ("ctl", "cap", "status", "cmd", "result"))
_COUNTERS = ("read_hits", "read_misses", "write_hits", "write_misses", "evictions", "cleaned",
             "invalidated", "snoop_hits", "snoop_misses")
_GUARDS = tuple(f"guard{number}{part}" for number in range(2) for part in ("", "_last"))
_OFFSETS = {register.offset: register.name for register in CACHE_REGISTERS}


class _RefillError(BusError):
    """Memory failed for some word of a line."""


@dataclass
class Command:
    """A command of maintenance, and what became of it."""

    mode: int
    whole: int
    start: int
    end: int
    edge: CacheEdge = CacheEdge.FLUSH
    tag: int = 0
    notify: int = 0
    refused: bool = False
    error: bool = False
    addr: int = 0
    lines: int = 0


@dataclass
class Line:
    """Contents of one way of a set. ``addr`` is that of its first byte."""

    valid: bool = False
    dirty: bool = False
    addr: int = 0
    data: bytearray = field(default_factory=bytearray)


class Cache:
    """Set-associative, write-back, write-allocate; refills on demand only.

    Every access must stay within a line. Maintenance is done when :meth:`write` returns, from the
    lowest address to the highest. A line that cannot be written back stays valid and dirty; an
    access that needed its place is answered with that error and takes no place.

    Parameters
    ----------
    memory : Memory
        Behind the cache.
    size_bytes, ways, line_bytes : int, powers of two
        Geometry.
    misses : int
        What ``cap`` says of the lines that may be on their way at once; here, one is.
    commands : int
        Commands that can be queued, and results. Here, commands wait only for room for results.
    bus_bytes : int
        Width of the bus: what one error of memory concerns.
    guards : int
        Guard windows.
    snoop : int
        What ``cap2`` says of writes of coherent devices that may be under way; 0: none are.
    """

    def __init__(self, memory: Memory, *, size_bytes: int = 16384, ways: int = 4,
                 line_bytes: int = 64, misses: int = 4, commands: int = 4, bus_bytes: int = 8,
                 guards: int = 2, snoop: int = 0):
        self._guards = guards
        self._cap2 = CACHE_REGISTERS["cap2"].pack({"guards": guards, "snoop": snoop})
        self._memory, self._bus_bytes = memory, bus_bytes
        self.line_bytes = line_bytes
        sets = size_bytes // (ways * line_bytes)
        self._cap = _CAP.pack({
            "version": _VERSION, "line_bytes_log2": line_bytes.bit_length() - 1, "ways": ways,
            "sets_log2": sets.bit_length() - 1, "misses": misses,
            "commands": commands})
        self._commands, self._waiting, self._results = commands, [], []
        self._sets = [[Line() for _ in range(ways)] for _ in range(sets)]
        self._order = [TreePlru(ways) for _ in range(sets)]
        self._words = dict.fromkeys(("start", "end", "err_addr", *_GUARDS), 0)
        self._mode = self._whole = self._status = self._enable = 0
        self.counters = dict.fromkeys(_COUNTERS, 0)
        #: Told of fills and write-backs, if somebody watches.
        self.note: Callable[[Seen, int, int], None] | None = None

    @property
    def irq(self) -> bool:
        """Level of the interrupt line."""
        return bool(self._status & self._enable)

    def load(self, addr: int, size: int) -> bytes:
        """Load from within a line.

        Raises
        ------
        BusError
            If the line's place could not be made free, or if memory fails for a bus word that the
            load needs. Other words of a line whose refill fails are passed on, and not kept.
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
        """Load from memory; a line that is present is written back and dropped first."""
        self._bypass(addr)
        return self._memory.read(addr, size)

    def store_uncached(self, addr: int, data: bytes) -> None:
        """Store to memory; a line that is present is written back and dropped first."""
        self._bypass(addr)
        self._memory.write(addr, data)

    def snoop(self, addr: int, size: int, *, write: bool) -> None:
        """Make memory fit for an access of a coherent device within a line.

        A dirty line is written back, unless the device writes all of it; before a write, it is
        dropped. Raises :exc:`BusError` (``SLVERR``) if it cannot be written back.
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

    def read(self, offset: int) -> int:
        """Read the 32-bit register at ``offset``; zero where there is none."""
        name = _OFFSETS.get(offset, "")
        base = name.removesuffix("_msb")
        if base in self._words:
            return self._words[base] >> (32 if name != base else 0) & _WORD
        if base.startswith("result"):
            return self._result(base) >> (32 if name != base else 0) & _WORD
        if name in self.counters:
            return self.counters[name] & _WORD
        return {"ctl": _CTL.pack({"mode": self._mode, "whole": self._whole}), "cap": self._cap,
                "status": self._status, "irq_en": self._enable, "cap2": self._cap2,
                "queue": len(self._waiting)}.get(name, 0)

    def write(self, offset: int, value: int) -> None:
        """Write the 32-bit register at ``offset``; ignored where there is none."""
        name = _OFFSETS.get(offset, "")
        base = name.removesuffix("_msb")
        if base in ("start", "end", *_GUARDS):
            shift = 32 if name != base else 0
            if base in _GUARDS and not shift:
                value &= _WORD << 12 & _WORD | (not base.endswith("_last"))
            self._words[base] = self._words[base] & ~(_WORD << shift) | value << shift
        elif name == "ctl":
            self._mode, self._whole = _CTL["mode"].get(value), _CTL["whole"].get(value)
            if _CTL["enable"].get(value):
                command = Command(self._mode, self._whole, self._words["start"], self._words["end"])
                self._maintain(command)
                if command.refused:
                    self._status |= _STATUS["refused"].mask
        elif name == "cmd":
            self._queue(value)
        elif name == "result" and _RESULT["valid"].get(value) and self._results:
            del self._results[0]
            self._tell()
            self._work()
        elif name == "status":
            self._status &= ~value
        elif name == "irq_en":
            self._enable = value & 0b1111

    def _queue(self, value: int) -> None:
        if len(self._waiting) == self._commands:
            self._status |= _STATUS["refused"].mask
            return
        fields = {name: _CMD[name].get(value) for name in ("mode", "whole", "notify", "tag")}
        self._waiting.append(Command(**fields, start=self._words["start"], end=self._words["end"],
                                     edge=CacheEdge(_CMD["edge"].get(value))))
        self._work()

    def _work(self) -> None:
        """Carry out commands as long as there is room for results."""
        while self._waiting and len(self._results) < self._commands:
            command = self._waiting.pop(0)
            self._maintain(command)
            self._results.append(command)
            if len(self._results) == 1:
                self._tell()

    def _tell(self) -> None:
        if self._results and self._results[0].notify:
            self._status |= _STATUS["done"].mask

    def _result(self, name: str) -> int:
        if not self._results:
            return 0
        oldest = self._results[0]
        return {"result": _RESULT.pack({"valid": 1, "refused": oldest.refused,
                                        "error": oldest.error, "tag": oldest.tag}),
                "result_lines": oldest.lines, "result_addr": oldest.addr}[name]

    def _maintain(self, command: Command) -> None:
        mode, start, end = command.mode, command.start, command.end
        drops = mode == CacheMode.MAKE_INVALIDATE
        cut = drops and (start | end) % self.line_bytes and command.edge is CacheEdge.REFUSE
        if mode not in list(CacheMode) or (not command.whole and (end < start or cut)):
            command.refused = True
            return
        lines = self._all() if command.whole else self._range(start, end)
        for line in lines:
            covered = (command.whole or command.edge is CacheEdge.ROUND_OUT
                       or (start <= line.addr and line.addr + self.line_bytes <= end))
            if drops and not covered and command.edge is CacheEdge.LEAVE:
                continue
            if not drops or not covered:
                done = self._clean(line)
                self.counters["cleaned"] += done
                command.lines += done
                if line.dirty and not command.error:
                    command.error, command.addr = True, line.addr
                if line.dirty or mode == CacheMode.CLEAN_SHARED:
                    continue            # not written back, or to be kept
            line.valid = line.dirty = False
            self.counters["invalidated"] += 1

    def _demand(self, addr: int, kind: str) -> Line:
        """Line of ``addr``, brought in if it is not there."""
        line = self._find(addr)
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
                raise BusError(addr, "SLVERR")
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
