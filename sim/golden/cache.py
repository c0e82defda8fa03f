"""The write-back cache between the CPU and memory: its registers and commands."""

from dataclasses import dataclass

from rtl.spec.cache_regs import CACHE_REGISTERS, CacheCommand, CacheEdge, CacheMode
from rtl.spec.platform import BusError

from .cache_lines import GUARDS, Line, Lines
from .memory import Memory

__all__ = ["Cache", "Line"]

_VERSION = 1
_WORD = (1 << 32) - 1
_CTL, _CAP, _STATUS, _CMD, _RESULT = (
    CACHE_REGISTERS[name] for name in ("ctl", "cap", "status", "cmd", "result"))
_OFFSETS = {register.offset: register.name for register in CACHE_REGISTERS}


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


class Cache(Lines):
    """The cache as software sees it.

    Maintenance is done when :meth:`write` returns, from the lowest address to the highest.

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
    allocate : bool
        Commands zero and prefetch.
    prefetch : int
        What ``cap2`` says of lines that are brought in ahead of a reader; here, none are.
    random, overtake : bool
        What ``cap2`` says of replacement, and of hits that overtake; here, replacement is tree
        pseudo-LRU, and all is done in order.
    snoop : int
        What ``cap2`` says of writes of coherent devices that may be under way; 0: none are.
    """

    def __init__(self, memory: Memory, *, size_bytes: int = 16384, ways: int = 4,
                 line_bytes: int = 64, misses: int = 4, commands: int = 4, bus_bytes: int = 8,
                 guards: int = 2, allocate: bool = False, prefetch: int = 0,
                 snoop: int = 0, random: bool = False, overtake: bool = False):
        super().__init__(memory, size_bytes=size_bytes, ways=ways, line_bytes=line_bytes,
                         bus_bytes=bus_bytes, guards=guards)
        self._cap2 = CACHE_REGISTERS["cap2"].pack(
            {"guards": guards, "snoop": snoop, "allocate": allocate, "prefetch": prefetch,
             "random": random, "overtake": overtake})
        self._allocate = allocate
        sets = size_bytes // (ways * line_bytes)
        self._cap = _CAP.pack({
            "version": _VERSION, "line_bytes_log2": line_bytes.bit_length() - 1, "ways": ways,
            "sets_log2": sets.bit_length() - 1, "misses": misses,
            "commands": commands})
        self._commands, self._waiting, self._results = commands, [], []
        self._mode = self._whole = self._enable = 0

    @property
    def irq(self) -> bool:
        """Level of the interrupt line."""
        return bool(self._status & self._enable)

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
        if base in ("start", "end", *GUARDS):
            shift = 32 if name != base else 0
            if base in GUARDS and not shift:
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
        cut = cut or (mode == CacheCommand.ZERO and (start | end) % self.line_bytes)
        brings = mode in (CacheCommand.ZERO, CacheCommand.PREFETCH)
        if mode not in list(CacheCommand) or (brings and (command.whole or not self._allocate)) or (
                not command.whole and (end < start or cut)):
            command.refused = True
            return
        if brings:
            self._bring(command)
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

    def _bring(self, command: Command) -> None:
        """Bring lines in, and set them to zero or not."""
        zeroes, size = command.mode == CacheCommand.ZERO, self.line_bytes
        first = command.start - command.start % size
        for addr in range(first, command.end, size) if command.start < command.end else ():
            if self._guarded(addr) and not zeroes:
                continue
            try:
                if self._guarded(addr):
                    raise BusError(addr, "SLVERR")
                line = self._demand(addr, None)
            except BusError:
                if zeroes and not command.error:
                    command.error, command.addr = True, addr
                continue
            if zeroes:
                line.data, line.dirty = bytearray(size), True
