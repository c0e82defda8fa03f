"""What happens on the buses of the simulated RTL, kept in hardware until somebody asks.

A monitor in Python would be called in every cycle; this one costs next to nothing.
"""

from collections.abc import Iterable

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.sim import SimulatorContext

from rtl.axi.signature import CACHE_READ_ALLOCATE, CACHE_WRITE_ALLOCATE
from rtl.spec.platform import BusEvent, Seen

__all__ = ["BusLog", "ChannelLog"]

#: What is logged: block and port, and what its read and write addresses mean.
_TAPS = {
    "iommu": {"device": (Seen.DMA_READ, Seen.DMA_WRITE), "memory": (Seen.MEM_READ, Seen.MEM_WRITE)},
    "cache": {"memory": (Seen.FILL, Seen.WRITE_BACK)},
}
_LINES = Seen.FILL, Seen.WRITE_BACK
#: Accesses that one command of the host may cause.
_DEPTH = 8192


class ChannelLog(Elaboratable):
    """Keep cycle, address and bytes of every access that a channel of addresses asks for.

    Parameters
    ----------
    channel : stream.Interface
        The channel: AW or AR.
    cycles : Signal
        The clock cycle.
    lines : bool
        Only accesses to whole lines of a cache; their bytes begin at the line, whichever word comes
        first.
    depth : int, power of two
        Entries that are kept.

    Attributes
    ----------
    count : Signal
        Entries written since reset.
    entries : MemoryData
        The last ``depth`` of them.
    """

    LAYOUT = data.StructLayout({"cycle": 48, "addr": 64, "bytes": 16})

    def __init__(self, channel: stream.Interface, cycles: Signal, *, lines: bool = False,
                 depth: int = _DEPTH):
        self._channel, self._cycles, self._lines = channel, cycles, lines
        self.depth, self.count = depth, Signal(32)
        self.entries = memory.MemoryData(shape=self.LAYOUT.size, depth=depth, init=[])

    def elaborate(self, platform):
        m = Module()
        m.submodules.entries = entries = memory.Memory(self.entries)
        write, p = entries.write_port(), self._channel.p
        size = (p.len + 1 << p.size)[:16]
        entry = Signal(self.LAYOUT)
        wanted = p.cache & (CACHE_READ_ALLOCATE | CACHE_WRITE_ALLOCATE) if self._lines else 1
        m.d.comb += [
            entry.cycle.eq(self._cycles),
            # A burst that wraps begins with any word of the line; others at a byte of a word.
            entry.addr.eq(p.addr & ~(size - 1 if self._lines else (1 << p.size) - 1)),
            entry.bytes.eq(size),
            write.addr.eq(self.count),
            write.data.eq(entry),
            write.en.eq(self._channel.valid & self._channel.ready & (wanted != 0)),
        ]
        m.d.sync += self.count.eq(self.count + write.en)
        return m


class _Logged(Elaboratable):
    """A block with logs beside it: stands in for it."""

    def __init__(self, block: wiring.Component, logs: Iterable[ChannelLog]):
        self._block, self._logs = block, logs

    def __getattr__(self, name):
        if name.startswith("__") or name in ("_block", "_logs"):
            raise AttributeError(name)
        return getattr(self._block, name)

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = self._block
        for number, log in enumerate(self._logs):
            m.submodules[f"log_{number}"] = log
        return m


class BusLog:
    """Logs of a system: of what devices ask for, what reaches memory, and of cache lines.

    Parameters
    ----------
    cycles : Signal
        The clock cycle.
    bus_offset : int
        Added to the addresses of devices before they reach the IOMMU; taken off again.
    """

    def __init__(self, cycles: Signal, bus_offset: int = 0):
        self._cycles, self._offset = cycles, bus_offset
        self._logs: dict[Seen, ChannelLog] = {}
        self._taken: dict[Seen, int] = {}
        self._events: list[BusEvent] = []

    def wrap(self, block: wiring.Component, name: str) -> Elaboratable:
        """Put logs at the ports of a block, if it is one that has any."""
        added = []
        for port, kinds in _TAPS.get(name, {}).items():
            bus = getattr(block, port)
            for kind, channel in zip(kinds, (bus.ar, bus.aw), strict=True):
                self._logs[kind] = ChannelLog(channel, self._cycles, lines=kind in _LINES)
                added.append(self._logs[kind])
        return _Logged(block, added) if added else block

    def collect(self, ctx: SimulatorContext, *, keep: bool = True) -> None:
        """Look at what was logged since; at least once for each command of the host.

        Raises
        ------
        RuntimeError
            If there was more than the logs hold.
        """
        new = []
        for kind, log in self._logs.items():
            first, end = self._taken.get(kind, 0), ctx.get(log.count)
            self._taken[kind] = end
            if not keep:
                continue
            if end - first > log.depth:
                raise RuntimeError(f"Log of {kind.value} must hold {end - first} accesses of one "
                                   f"command, and has room for {log.depth}")
            offset = self._offset if kind in (Seen.DMA_READ, Seen.DMA_WRITE) else 0
            for number in range(first, end):
                entry = log.LAYOUT.from_bits(ctx.get(log.entries[number % log.depth]))
                addr = entry.addr - offset & 0xFFFF_FFFF_FFFF_FFFF
                new.append(BusEvent(entry.cycle, kind, addr, entry.bytes))
        self._events += sorted(new, key=lambda event: event.cycle)

    def reset(self) -> None:
        """Begin anew, as the hardware did."""
        self._taken, self._events = {}, []

    def take(self) -> list[BusEvent]:
        """Take what was collected, in order."""
        events, self._events = self._events, []
        return events
