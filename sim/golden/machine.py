"""The golden machine: a hart with cache, IOMMU and DMA engine, in plain Python."""

from collections.abc import Callable

import numpy as np

from rtl.spec.iommu_regs import CAPABILITIES
from rtl.spec.platform import (
    AXI_DMA_BASE,
    CACHE_BASE,
    CDMA_BASE,
    IOMMU_BASE,
    RING_BASE,
    WINDOW_BYTES,
    BusError,
    BusEvent,
    Irq,
    Platform,
    Seen,
)

from .bus import CoherentMemory, DeviceBus
from .cache import Cache
from .dma import Dma
from .iommu import Iommu
from .memory import Memory
from .ring import Ring
from .stream_dma import StreamDma

__all__ = ["GoldenMachine"]

_COMMAND = 4096                         # bytes up to a multiple of which an error is not noticed
_STORM = 10_000                         # calls of the handler for one step


class GoldenMachine:
    """The same machine as the RTL, with the same registers, and no clock.

    Every method that touches the bus is one step, and so is each cycle of :meth:`wait`. In a step
    the DMA engine does one transfer (a descriptor, or a simple transfer), after which interrupts
    are delivered. Registers take effect at once.

    Parameters
    ----------
    platform : Platform
        What software is told.
    capabilities : int or None
        Of the IOMMU; by default Sv39 and interrupts by wire, like the RTL.
    cache_translations : bool
        Whether the IOMMU keeps translations and contexts until they are invalidated, so that a
        forgotten invalidation shows.
    cache_bytes, cache_ways : int, powers of two
        Geometry of the CPU's cache; ``platform.line_bytes`` is its line.
    data_bytes, max_beats, reads_in_flight : int
        Of the DMA engine.
    seed : int or None
        Contents of memory at power-on: zeros, or a pattern that depends on ``seed``.
    """

    def __init__(self, platform: Platform | None = None, *, capabilities: int | None = None,
                 cache_translations: bool = True, cache_bytes: int = 16384, cache_ways: int = 4,
                 data_bytes: int = 8, max_beats: int = 16, reads_in_flight: int = 4,
                 seed: int | None = None):
        self.platform = platform or Platform()
        if capabilities is None:
            capabilities = CAPABILITIES.pack(version=0x10, sv39=1, igs=1,
                                             pas=self.platform.phys_bits)
        self.memory = Memory(self.platform.memory_base, self.platform.memory_size, seed=seed)
        self.cache = Cache(self.memory, size_bytes=cache_bytes, ways=cache_ways,
                           line_bytes=self.platform.line_bytes, allocate=True,
                           snoop=4 if self.platform.coherent else 0)
        seen = (CoherentMemory(self.memory, self.cache) if self.platform.coherent else
                self.memory)
        self.iommu = Iommu(seen, capabilities, cache=cache_translations)
        self._seen, self._events, self._watched = seen, [], False
        self._ports: list[DeviceBus] = []
        device_id = self.platform.cdma_device_id
        self.dma = Dma(
            self.port(device_id, data_bytes=data_bytes),
            device_id=device_id, data_bytes=data_bytes, max_beats=max_beats,
            reads_in_flight=reads_in_flight, key_hole=True)
        self._windows = {CDMA_BASE: self.dma, CACHE_BASE: self.cache}
        first = self.platform.ring_device_id
        self.rings = [Ring(self.port(ring_id, data_bytes=data_bytes), device_id=ring_id,
                           data_bytes=data_bytes, max_beats=max_beats, fill=True, strided=True,
                           cyclic=True, process_id=True, urgent=True, proceed=True)
                      for ring_id in range(first, first + self.platform.channels)]
        self._windows |= {RING_BASE + k * WINDOW_BYTES: ring for k, ring in enumerate(self.rings)}
        first = self.platform.stream_device_id
        self._stream_dmas = [
            StreamDma(self.port(stream_id, data_bytes=data_bytes), device_id=stream_id,
                      data_bytes=data_bytes, max_beats=max_beats, reads_in_flight=reads_in_flight)
            for stream_id in range(first, first + self.platform.streams)]
        self._windows |= {AXI_DMA_BASE + k * WINDOW_BYTES: engine
                          for k, engine in enumerate(self._stream_dmas)}
        self.streams = [engine.end for engine in self._stream_dmas]
        self.app_streams = [engine.app_end for engine in self._stream_dmas]
        if self.platform.has_iommu:
            self._windows[IOMMU_BASE] = self.iommu
        self._cycles = 0
        self._handler: Callable[[int], None] | None = None
        self._enabled = 0
        self._handling = False
        self._delivered = 0                     # calls of the handler

    def port(self, device_id: int, *, data_bytes: int = 1) -> DeviceBus:
        """Make a port for one more device; its accesses take no time."""
        port = DeviceBus(self._seen, device_id=device_id, data_bytes=data_bytes,
                         offset=self.platform.dma_offset,
                         iommu=self.iommu if self.platform.has_iommu else None)
        port.note = self._note if self._watched else None
        self._ports.append(port)
        return port

    #: It can tell what happens on the buses.
    watchable = True

    def watch(self, *, on: bool) -> None:
        """Keep note of what happens on the buses, or not."""
        self._watched = on
        for block in (self.cache, *self._ports):
            block.note = self._note if on else None

    def events(self) -> list[BusEvent]:
        """Take what happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def _note(self, kind: Seen, addr: int, size: int) -> None:
        self._events.append(BusEvent(self._cycles, kind, addr, size))

    def close(self) -> None:
        """Do nothing; other machines have something to end."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    @property
    def cycles(self) -> int:
        """Steps since reset."""
        return self._cycles

    @property
    def lines(self) -> int:
        """Levels of the interrupt lines; bit ``n`` is line ``n`` of :class:`Irq`."""
        wires = self.iommu.wires if self.platform.has_iommu else 0
        return wires << Irq.IOMMU0 | self.dma.irq << Irq.CDMA | self.cache.irq << Irq.CACHE | (
            any(ring.irq for ring in self.rings) << Irq.RING) | self._stream_lines

    @property
    def _stream_lines(self) -> int:
        lines = 0
        for engine in self._stream_dmas:
            lines |= (engine.irq & 1) << Irq.MM2S | (engine.irq >> 1) << Irq.S2MM
        return lines

    def readl(self, addr: int) -> int:
        """Read the 32-bit register at ``addr``.

        Raises
        ------
        BusError
            ``DECERR`` if no block is there.
        ValueError
            If ``addr`` is not aligned.
        """
        block, offset = self._window(addr)
        value = block.read(offset)
        self._step()
        return value

    def writel(self, value: int, addr: int) -> None:
        """Write the 32-bit register at ``addr``. Raises as :meth:`readl`."""
        block, offset = self._window(addr)
        block.write(offset, value & 0xFFFF_FFFF)
        self._step()

    def readq(self, addr: int) -> int:
        """Read the 64-bit register at ``addr``, low half first. Raises as :meth:`readl`."""
        (low, offset), (high, after) = self._window(addr), self._window(addr + 4)
        value = low.read(offset) | high.read(after) << 32
        self._step()
        return value

    def writeq(self, value: int, addr: int) -> None:
        """Write the 64-bit register at ``addr``, high half first. Raises as :meth:`readl`."""
        (low, offset), (high, after) = self._window(addr), self._window(addr + 4)
        high.write(after, value >> 32 & 0xFFFF_FFFF)
        low.write(offset, value & 0xFFFF_FFFF)
        self._step()

    def load(self, addr: int, size: int, *, cached: bool = True) -> bytes:
        """Load ``size`` bytes, one access for each cache line touched.

        Raises
        ------
        BusError
            The first error, after the other accesses up to the next multiple of 4 KiB. Its
            ``addr`` is in the line of the access.
        """
        load = self.cache.load if cached else self.cache.load_uncached
        data = bytearray()
        self._each_line(addr, size, lambda part, count: data.extend(load(part, count)))
        return bytes(data)

    def store(self, addr: int, data: bytes, *, cached: bool = True) -> None:
        """Store ``data``, one access for each cache line touched. Raises as :meth:`load`."""
        store = self.cache.store if cached else self.cache.store_uncached
        self._each_line(addr, len(data), lambda part, count: store(
            part, bytes(data[part - addr:part - addr + count])))

    def barrier(self) -> None:
        """Wait for earlier accesses; here they are all done."""
        self._step()

    def wait(self, cycles: int) -> None:
        """Let up to ``cycles`` steps pass; return early when an enabled line is high."""
        self._deliver()
        before = self._delivered
        for done in range(cycles):
            if self.lines & self._enabled or self._delivered != before:
                return
            # If all are idle, then nothing else will ever happen.
            if self.dma.settled and all(ring.idle for ring in self.rings) and all(
                    engine.settled for engine in self._stream_dmas):
                self._cycles += cycles - done
                self.iommu.advance(cycles - done)
                return
            self._step()

    def on_interrupt(self, handler: Callable[[int], None] | None) -> None:
        """Call ``handler(lines)`` for interrupts."""
        self._handler = handler

    def enable_interrupts(self, lines: int) -> None:
        """Lines that may interrupt, as a mask."""
        self._enabled = lines
        self._deliver()

    def inject(self, lo: int, hi: int, access: str) -> None:
        """Answer ``access`` ("r", "w", "rw" or "" for none) to memory ``[lo, hi)`` SLVERR.

        There is one such range; ``memory.inject`` adds others.
        """
        self.memory.clear_injected()
        if access:
            self.memory.inject(lo, hi, access)

    def peek(self, addr: int, size: int) -> bytes:
        """Read memory by the back door: not through the cache, in no time."""
        return self.memory.peek(addr, size)

    def poke(self, addr: int, data: bytes) -> None:
        """Write memory by the back door."""
        self.memory.poke(addr, data)

    def image(self) -> np.ndarray:
        """All of memory, as bytes, without what only the cache holds."""
        return self.memory.image()

    def cache_line(self, addr: int) -> tuple[bool, bool, bytes]:
        """Whether the cache line of ``addr`` is valid and dirty, and its bytes."""
        return self.cache.line(addr)

    def _window(self, addr: int) -> tuple[Iommu | Dma | Ring | Cache, int]:
        if addr % 4:
            raise ValueError(f"Register address must be a multiple of 4, not {addr:#x}")
        block = self._windows.get(addr - addr % WINDOW_BYTES)
        if block is None:
            raise BusError(addr, "DECERR")
        return block, addr % WINDOW_BYTES

    def _each_line(self, addr: int, size: int, access: Callable[[int, int], None]) -> None:
        """Call ``access`` for each part that lies within a line; raise the first error."""
        line, end, error = self.platform.line_bytes, addr + size, None
        while addr < end and (error is None or addr % _COMMAND):
            count = min(line - addr % line, end - addr)
            try:
                access(addr, count)
            except BusError as failed:
                error = error or failed
            addr += count
        self._step()
        if error:
            raise error

    def _step(self) -> None:
        self._cycles += 1
        self.iommu.advance(1)
        self.dma.step()
        for engine in (*self.rings, *self._stream_dmas):
            engine.step()
        self._deliver()

    def _deliver(self) -> None:
        """Call the handler until no enabled line is high."""
        if self._handler is None or self._handling:
            return
        for _ in range(_STORM):
            pending = self.lines & self._enabled
            if not pending:
                return
            self._handling = True
            self._delivered += 1
            try:
                self._handler(pending)
            finally:
                self._handling = False
        raise RuntimeError(f"Interrupt handler left lines {pending:#x} high after {_STORM} calls")
