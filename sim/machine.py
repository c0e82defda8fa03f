"""The simulated RTL as a machine that drivers run on."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
from amaranth.sim import Simulator

from rtl.axi.signature import Resp
from rtl.params import CacheParams, DmaParams, IommuParams, RingParams, StreamParams, SystemParams
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.memory_regs import MEMORY_REGISTERS
from rtl.spec.page_table import DdtpMode
from rtl.spec.platform import IOMMU_BASE, SIMULATION_BASE, BusError, BusEvent, Platform

from .dram import PAGE_BYTES
from .engine import choose
from .host_port import BUFFER_BYTES, Op
from .pysim import QuietPySimEngine
from .stream_device import StreamEnd
from .top import Top

__all__ = ["RtlMachine", "params_for"]

PERIOD = 10e-9


def params_for(platform: Platform) -> SystemParams:
    """Parameters of a system as ``platform`` describes it."""
    return SystemParams(
        iommu=IommuParams(phys_bits=platform.phys_bits),
        dma=DmaParams(device_id=platform.cdma_device_id, key_hole=True),
        bus_offset=platform.dma_offset,
        ring=RingParams(device_id=platform.ring_device_id, fill=True, strided=True, cyclic=True,
                        process_id=True, urgent=True, proceed=True),
        channels=platform.channels,
        stream=StreamParams(device_id=platform.stream_device_id, apps=True),
        streams=platform.streams,
        cache=CacheParams(phys_bits=platform.phys_bits, line_bytes=platform.line_bytes,
                          allocate=True, snoop=4 if platform.coherent else 0),
        coherent=platform.coherent)


class RtlMachine:
    """A :class:`kernel_api.core.machine.Machine` whose hardware is the RTL in a simulator.

    Each method is one command of :class:`sim.host_port.HostPort` (or a few), and simulated time
    passes only inside it. Use it as a context manager, or call :meth:`close`.

    Parameters
    ----------
    platform : Platform
        The machine's description.
    params : SystemParams or None
        Parameters of the blocks; derived from ``platform`` by default.
    engine : str
        Simulator: one of :data:`sim.engine.ENGINES`; ``"auto"`` is the fastest that is installed.
    vcd : Path or None
        Waveform to write.
    watched : bool
        Tell what happens on the buses, by :meth:`watch` and :meth:`events`.

    Attributes
    ----------
    engine : str
        The simulator that was taken.
    streams : list of StreamEnd
        The devices at the streams.
    app_streams : list of StreamEnd
        The same at those of application words: a packet has a first word, and those.

    Raises
    ------
    ValueError
        If there is no such engine.
    EngineError
        If the engine is not installed.
    BusError
        From the access that the bus answered with an error.
    AssertionError
        From the access during which a protocol checker failed (the message begins with the
        rule), or that had no answer in ``sim.top.HANG_CYCLES``.
    """

    def __init__(self, platform: Platform | None = None, *, params: SystemParams | None = None,
                 engine: str = "auto", vcd: Path | None = None, watched: bool = False):
        self.platform = platform or Platform()
        self.top = Top(params or params_for(self.platform), memory_base=self.platform.memory_base,
                       memory_size=self.platform.memory_size, watched=watched)
        self._watching = False
        self._word = self.top.host.word_bytes
        ends = [StreamEnd(self.top, k, lambda: self._ctx) for k in range(len(self.top.devices))]
        self.streams = ends[:self.platform.streams]
        self.app_streams = ends[self.platform.streams:]
        self._ctx = self._coroutine = None
        self._stack = ExitStack()
        make = choose(engine)
        self._simulator = (Simulator(self.top, engine=QuietPySimEngine)
                           if make.engine == "pysim" else make(self.top))
        self.engine = make.engine
        self._simulator.add_clock(PERIOD)
        self._simulator.add_testbench(self._own, background=True)
        self._stack.callback(self._end)
        if vcd is not None:
            self._stack.enter_context(self._simulator.write_vcd(str(vcd)))
        self._start()

    # Running the simulator

    def _start(self):
        self._handler, self._in_handler, self._enabled, self._program = None, False, 0, None
        if self.top.log:
            self.top.log.reset()
        for end in (*self.streams, *self.app_streams):
            end.reset()
        while self._ctx is None:
            self._simulator.advance()
        if not self.platform.has_iommu:         # it is there, and lets everything pass
            ddtp = IOMMU_REGISTERS["ddtp"]
            self._run(Op.WRITE, IOMMU_BASE + ddtp.offset, ddtp.pack({"mode": DdtpMode.BARE}))

    def reset(self) -> None:
        """Start over, as after construction: registers, cache, memory, time."""
        self._end()
        self._ctx = None
        self._simulator.reset()
        self._start()

    async def _own(self, ctx):
        self._coroutine = self._serve(ctx)
        await self._coroutine

    async def _serve(self, ctx):
        self._ctx = ctx
        ctx.set(self.top.done.ready, 1)
        while True:
            await ctx.tick()
            if self._program is not None:
                with ctx.critical():
                    await self._command(ctx, *self._program)
                self._program = None

    async def _command(self, ctx, op, addr, size, cached):
        top = self.top
        ctx.set(top.command.payload, {"op": op, "addr": addr, "size": size, "cached": cached})
        ctx.set(top.command.valid, 1)
        await ctx.tick().until(top.command.ready)
        ctx.set(top.command.valid, 0)
        (self._done,) = await ctx.tick().sample(top.done.payload).until(top.done.valid)

    def _run(self, op: Op, addr: int = 0, size: int = 0, *, cached: bool = False) -> int:
        """Run one command to its end. Returns the register that it read."""
        self._program = (op, addr, size, cached)
        while self._program is not None:
            self._simulator.run()
        for end in (*self.streams, *self.app_streams):
            end.service()
        if self._watching:
            self.top.log.collect(self._ctx)
        if self._done.resp is not Resp.OKAY:
            raise BusError(addr if op in (Op.READ, Op.WRITE) else self._done.addr,
                           self._done.resp.name)
        return self._done.data

    def _end(self):
        # Up to Python 3.12, a coroutine parked in `until()` raises when the collector closes it.
        if self._coroutine is not None:
            with suppress(RuntimeError):
                self._coroutine.close()

    def close(self) -> None:
        """End the simulation and finish the waveform."""
        self._stack.close()
        self._simulator = self._ctx = None      # a compiled model is large

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    # Machine

    @property
    def cycles(self) -> int:
        """Clock cycles since reset."""
        return self._ctx.get(self.top.cycles)

    def readl(self, addr: int) -> int:
        """Read a 32-bit register."""
        value = self._run(Op.READ, addr)
        self._interrupt()
        return value

    def writel(self, value: int, addr: int) -> None:
        """Write a 32-bit register."""
        self._run(Op.WRITE, addr, value)
        self._interrupt()

    def readq(self, addr: int) -> int:
        """Read a 64-bit register, low half first."""
        low = self._run(Op.READ, addr)
        value = low | self._run(Op.READ, addr + 4) << 32
        self._interrupt()
        return value

    def writeq(self, value: int, addr: int) -> None:
        """Write a 64-bit register, high half first."""
        self._run(Op.WRITE, addr + 4, value >> 32)
        self._run(Op.WRITE, addr, value & 0xFFFF_FFFF)
        self._interrupt()

    def load(self, addr: int, size: int, *, cached: bool = True) -> bytes:
        """Load bytes."""
        parts = []
        for at, count in self._chunks(addr, size):
            self._run(Op.LOAD, at, count, cached=cached)
            skip = at % self._word
            rows = [self._ctx.get(self.top.host.buffer[row])
                    for row in range(-(-(skip + count) // self._word))]
            parts.append(self._to_bytes(rows)[skip:skip + count])
        self._interrupt()
        return b"".join(parts)

    def store(self, addr: int, data: bytes, *, cached: bool = True) -> None:
        """Store bytes."""
        for at, count in self._chunks(addr, len(data)):
            skip, offset = at % self._word, at - addr
            padded = bytes(skip) + data[offset:offset + count]
            padded += bytes(-len(padded) % self._word)
            for row, start in enumerate(range(0, len(padded), self._word)):
                self._ctx.set(self.top.host.buffer[row],
                              int.from_bytes(padded[start:start + self._word], "little"))
            self._run(Op.STORE, at, count, cached=cached)
        self._interrupt()

    def barrier(self) -> None:
        """Nothing to wait for: every store and register write ends with its response."""

    def wait(self, cycles: int) -> None:
        """Let cycles pass, until an enabled line is high."""
        if cycles > 0:
            self._run(Op.WAIT, size=cycles)
        self._interrupt()

    def on_interrupt(self, handler: Callable[[int], None] | None) -> None:
        """Set the interrupt handler."""
        self._handler = handler

    def enable_interrupts(self, lines: int) -> None:
        """Choose the lines that may interrupt."""
        self._ctx.set(self.top.enabled, lines)
        self._enabled = lines

    def _interrupt(self):
        if self._in_handler or self._handler is None:
            return
        self._in_handler = True
        try:
            while lines := self._ctx.get(self.top.irqs) & self._enabled:
                self._handler(lines)
        finally:
            self._in_handler = False

    @staticmethod
    def _chunks(addr: int, size: int):
        """Cut a range at multiples of the host port's buffer."""
        end = addr + size
        while addr < end:
            cut = min(end, addr // BUFFER_BYTES * BUFFER_BYTES + BUFFER_BYTES)
            yield addr, cut - addr
            addr = cut

    def _to_bytes(self, rows: list[int]) -> bytes:
        return b"".join(row.to_bytes(self._word, "little") for row in rows)

    # Back door: no time passes

    def peek(self, addr: int, size: int) -> bytes:
        """Contents of memory, whatever the cache holds."""
        low, high = self._rows(addr, size)
        get, rows = self._ctx.get, self.top.dram.rows
        skip = (addr - self.platform.memory_base) % self._word
        return self._to_bytes([get(rows[row]) for row in range(low, high)])[skip:skip + size]

    def poke(self, addr: int, data: bytes) -> None:
        """Set the contents of memory, whatever the cache holds."""
        low, high = self._rows(addr, len(data))
        base = self.platform.memory_base + low * self._word
        image = bytearray(self.peek(base, (high - low) * self._word))
        image[addr - base:addr - base + len(data)] = data
        for row in range(low, high):
            at = (row - low) * self._word
            self._ctx.set(self.top.dram.rows[row],
                          int.from_bytes(image[at:at + self._word], "little"))
            self._ctx.set(self.top.dram.written[row * self._word // PAGE_BYTES], 1)

    def image(self) -> np.ndarray:
        """All of memory, as bytes, without what only the cache holds."""
        image = np.zeros(self.platform.memory_size, dtype=np.uint8)
        for page in range(self.top.dram.written.depth):
            if self._ctx.get(self.top.dram.written[page]):
                part = slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
                image[part] = np.frombuffer(
                    self.peek(self.platform.memory_base + part.start, PAGE_BYTES), dtype=np.uint8)
        return image

    def _rows(self, addr: int, size: int) -> tuple[int, int]:
        offset = addr - self.platform.memory_base
        if offset < 0 or size < 0 or offset + size > self.platform.memory_size:
            raise ValueError(f"Range must lie in memory at {self.platform.memory_base:#x}, not "
                             f"{addr:#x} with {size} bytes")
        return offset // self._word, -(-(offset + size) // self._word)

    # What happens on the buses

    @property
    def watchable(self) -> bool:
        """Whether it can tell what happens on the buses."""
        return self.top.log is not None

    def watch(self, *, on: bool) -> None:
        """Keep note of what happens on the buses, or not; a machine that is not watched, cannot."""
        self._watching = on and self.top.log is not None
        if self._watching:
            self.top.log.collect(self._ctx, keep=False)

    def events(self) -> list[BusEvent]:
        """Take what happened since the last call, in order."""
        return self.top.log.take() if self._watching else []

    # Controls of the simulated memory

    def set_memory(self, register: str, **fields: int) -> None:
        """Write a register of :data:`rtl.spec.memory_regs.MEMORY_REGISTERS`."""
        description = MEMORY_REGISTERS[register]
        self._run(Op.WRITE, SIMULATION_BASE + description.offset,
                  description.pack(fields, description.reset))

    def inject(self, low: int, high: int, access: str) -> None:
        """Answer ``access`` ("r", "w", "rw" or "" for none) to memory ``[low, high)`` SLVERR."""
        for name, addr in (("error_low", low), ("error_high", high)):
            self.set_memory(f"{name}_msb", addr=addr >> 32)
            self.set_memory(name, addr=addr & 0xFFFF_FFFF)
        self.set_memory("error", read="r" in access, write="w" in access)
