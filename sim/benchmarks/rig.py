"""A block with memory behind it, and stopwatches that do not disturb it."""

from collections.abc import Awaitable, Callable, Iterable

from amaranth.hdl import ClockDomain, MemoryData, Module, Signal
from amaranth.lib.wiring import connect

from rtl.axi.signature import Burst
from rtl.spec.memory_regs import MEMORY_REGISTERS
from rtl.spec.regmap import RegisterMap

from ..axi_lite import Manager
from ..bench import Timeout
from ..dram import Dram
from ..engine import choose

__all__ = ["LATENCIES", "Probe", "Rig", "burst", "play", "write"]

#: Memory latencies L that are measured, in cycles: static RAM, a shared one, DRAM.
LATENCIES = (1, 16, 100)
#: Bursts that memory takes each way before it answers the first: more than any block issues.
OUTSTANDING = 128
#: Cycles after which a measurement has hung.
TIMEOUT = 2_000_000


class Probe:
    """When an event happened, and how often.

    Parameters
    ----------
    rig : Rig
        Where it is measured.
    event : Value
        1 in each cycle in which it happens.

    Attributes
    ----------
    count : Signal
        How often since :meth:`Rig.restart`.
    first, last : Signal
        Cycle of the first and of the latest time.
    """

    def __init__(self, rig: "Rig", event):
        self.count, self.first, self.last = Signal(32), Signal(32), Signal(32)
        m = rig.m
        with m.If(event):
            m.d.sync += [self.count.eq(self.count + 1), self.last.eq(rig.now)]
            with m.If(self.count == 0):
                m.d.sync += self.first.eq(rig.now)
        with m.If(rig.clear):
            m.d.sync += self.count.eq(0)

    async def reach(self, ctx, count: int) -> int:
        """Wait for the event to have happened ``count`` times; return the cycle of the latest."""
        (last,) = await ctx.tick().sample(self.last).until(self.count == count)
        return last


class Rig:
    """A block, its clock and its memories.

    Parameters
    ----------
    dut : wiring.Component
        Block to measure.
    memories : dict
        Base and size in bytes of the memory behind each named port.

    Attributes
    ----------
    m : Module
        For what a benchmark adds.
    now : Signal
        The cycle.
    drams : dict
        Memory behind each port.
    """

    def __init__(self, dut, memories: dict[str, tuple[int, int]]):
        self.dut, self.m = dut, Module()
        self.now, self.clear = Signal(32), Signal()
        self.m.domains.sync = ClockDomain()
        self.m.submodules.dut = dut
        self.m.d.sync += self.now.eq(self.now + 1)
        self.drams = {}
        for name, (base, size) in memories.items():
            port = getattr(dut, name)
            self.drams[name] = dram = Dram(port.signature, base=base, size=size)
            self.m.submodules[f"dram_{name}"] = dram
            connect(self.m, port, dram.bus)

    def taken(self, stream) -> Probe:
        """Probe of the cycles in which ``stream`` hands something over."""
        return Probe(self, stream.valid & stream.ready)

    async def restart(self, ctx) -> None:
        """Reset all probes."""
        ctx.set(self.clear, 1)
        await ctx.tick()
        ctx.set(self.clear, 0)

    async def latency(self, ctx, name: str, cycles: int) -> None:
        """Set the latency of the memory behind port ``name``."""
        bus = Manager(ctx, self.drams[name].regs)
        for register, fields in (("latency", {"cycles": cycles}),
                                 ("limit", {"reads": OUTSTANDING, "writes": OUTSTANDING})):
            await write(bus, MEMORY_REGISTERS, register, **fields)

    def fill(self, name: str, addr: int, data: bytes) -> None:
        """Give the memory behind port ``name`` contents at the start, from a bus word on."""
        rows, at, words = self._words(name, addr, data)
        rows.init = [0] * at + words + [0] * (rows.depth - at - len(words))

    def poke(self, ctx, name: str, addr: int, *words: int) -> None:
        """Put 64-bit words into the memory behind port ``name``, from a bus word on.

        What remains of the last bus word is filled with zeros.
        """
        data = b"".join(word.to_bytes(8, "little") for word in words)
        rows, at, words = self._words(name, addr, data)
        for n, word in enumerate(words, at):
            ctx.set(rows[n], word)

    def peek(self, ctx, name: str, addr: int, size: int) -> bytes:
        """Return bytes of the memory behind port ``name``, from a bus word on."""
        rows, at, words = self._words(name, addr, bytes(size))
        width = rows.shape // 8
        return b"".join(ctx.get(rows[n]).to_bytes(width, "little")
                        for n in range(at, at + len(words)))[:size]

    def _words(self, name: str, addr: int, data: bytes) -> tuple[MemoryData, int, list[int]]:
        """Return the rows, the first of them, and the bus words of bytes."""
        dram = self.drams[name]
        width = dram.rows.shape // 8
        return dram.rows, (addr - dram.base) // width, [
            int.from_bytes(data[n:n + width], "little") for n in range(0, len(data), width)]

    def run(self, testbench: Callable[..., Awaitable[None]]) -> None:
        """Run ``testbench(ctx)`` to its end on the fastest simulator that is installed.

        Raises
        ------
        Timeout
            If it does not end.
        """
        simulator = choose("auto")(self.m)
        simulator.add_clock(1e-6)

        async def watchdog(ctx):
            await ctx.delay(TIMEOUT * 1e-6)
            raise Timeout(f"no end after {TIMEOUT} clock cycles")

        simulator.add_testbench(watchdog, background=True)
        simulator.add_testbench(testbench)
        simulator.run()


async def write(bus: Manager, registers: RegisterMap, name: str, **fields: int) -> None:
    """Write the fields of a register."""
    await bus.writel(registers[name].pack(fields), registers[name].offset)


def burst(addr: int, beats: int = 1, *, size: int = 3, **fields) -> dict:
    """Payload of AR or AW: ``beats`` of ``2**size`` bytes from ``addr``."""
    return {"addr": addr, "len": beats - 1, "size": size, "burst": Burst.INCR, **fields}


async def play(ctx, *scripts: tuple[object, Iterable]) -> None:
    """Offer payloads without a gap on several streams, each at its own pace.

    ``scripts`` are ``(stream, payloads)`` pairs. Returns on the edge that takes the last payload.
    """
    waiting = []

    def offer(stream, rest):
        payload = next(rest, None)
        ctx.set(stream.valid, payload is not None)
        if payload is not None:
            ctx.set(stream.payload, payload)
            waiting.append((stream, rest))

    for stream, payloads in scripts:
        offer(stream, iter(payloads))
    while waiting:
        _, _, *taken = await ctx.tick().sample(*(stream.ready for stream, _ in waiting))
        before, waiting[:] = list(waiting), []
        for (stream, rest), done in zip(before, taken, strict=True):
            if done:
                offer(stream, rest)
            else:
                waiting.append((stream, rest))
