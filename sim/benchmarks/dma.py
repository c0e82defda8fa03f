"""The DMA engine: copies in a list, back to back, and how soon the first one starts.

Peers: the same workloads on their RTL, with a memory of the same latency and 64-bit data.
"""

from collections.abc import Iterable

from rtl.dma.dma import Dma
from rtl.params import DmaParams
from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.descriptor import CDMA_ALIGN

from ..axi_lite import Manager
from .rig import LATENCIES, Probe, Rig, write
from .table import Row

__all__ = ["CASES", "Engine", "measure"]

#: Layout of memory, in bytes: descriptors, sources, targets.
SIZE, SOURCES, TARGETS, REGION = 1 << 20, 1 << 18, 1 << 19, 1 << 17
#: What is copied: name, bytes, offsets of source and target, copies in the list, and how many slots
#: lie between descriptors that follow each other, modulo the list. In a ring they always follow.
CASES = (("64 B", 64, 0, 0, 256, 1), ("4 KiB", 4096, 0, 0, 32, 1), ("64 KiB", 65536, 0, 0, 8, 1),
         ("64 B, misaligned", 64, 3, 5, 256, 1), ("4 KiB, misaligned", 4096, 3, 5, 32, 1),
         ("64 B, descriptors at random", 64, 0, 0, 256, 7))

#: Best peer at each latency. Where a peer was not measured with descriptors and data on one port,
#: as here, its name tells: figures for two ports, or without a list, are lower bounds for one port.
SHARED, SPLIT, NO_LIST = "iDMA desc64", "iDMA desc64, 2 ports", "iDMA, no list"
PEERS = {
    "64 B": {L: (12, SHARED) for L in LATENCIES},
    "4 KiB": {1: (515, SHARED), 16: (515, SHARED), 100: (514, SHARED)},
    "64 KiB": {L: (8192, SPLIT) for L in LATENCIES},
    "64 B, misaligned": {1: (9, NO_LIST), 16: (9, NO_LIST), 100: (9, SPLIT)},
    "4 KiB, misaligned": {1: (513, NO_LIST), 16: (515, NO_LIST), 100: (515, SPLIT)},
    "64 B, descriptors at random": {1: (8, SPLIT), 16: (18, SPLIT), 100: (102, SPLIT)},
    "doorbell": {1: (7, SPLIT), 100: (106, SPLIT)},
}


def _source_byte(addr: int) -> int:
    return (addr ^ addr >> 8) * 37 & 0xFF


class Engine:
    """A DMA engine that copies in a list, timed at its bus."""

    def __init__(self, params: DmaParams):
        self.rig = rig = Rig(Dma(params), {"bus": (0, SIZE)})
        bus = rig.dut.bus
        rig.fill("bus", SOURCES, bytes(map(_source_byte, range(SOURCES, SOURCES + 2 * CDMA_ALIGN))))
        self.doorbell = rig.taken(rig.dut.regs.w)
        self.read = Probe(rig, bus.ar.valid & (bus.ar.p.id == 0))
        self.status = Probe(rig, bus.aw.valid & bus.aw.ready & (bus.aw.p.id == 1))

    async def start(self, ctx, size: int, source: int, target: int, count: int,
                    step: int = 1) -> None:
        """Lay out a list of ``count`` copies, each ``step`` slots on, and ring the doorbell."""
        places = [k * step % count * CDMA_ALIGN for k in range(count + 1)]
        for k in range(count):
            at = k * size % REGION
            self.rig.poke(ctx, "bus", places[k], places[k + 1], SOURCES + at + source,
                          TARGETS + at + target, size)
        bus = Manager(ctx, self.rig.dut.regs)
        await write(bus, CDMA_REGISTERS, "cr")              # leaving the mode forgets the last list
        await write(bus, CDMA_REGISTERS, "cr", sg_mode=1)
        await write(bus, CDMA_REGISTERS, "curdesc", addr=0)
        await write(bus, CDMA_REGISTERS, "taildesc_msb", addr=0)
        await self.rig.restart(ctx)
        await write(bus, CDMA_REGISTERS, "taildesc", addr=places[count - 1] // CDMA_ALIGN)

    async def finish(self, ctx, source: int, target: int) -> None:
        """Wait until idle, and check the status and the first bytes."""
        bus = Manager(ctx, self.rig.dut.regs)
        register = CDMA_REGISTERS["sr"]
        while not register["idle"].get(found := await bus.readl(register.offset)):
            pass
        data = self.rig.peek(ctx, "bus", TARGETS, 2 * CDMA_ALIGN)
        right = bytes(_source_byte(SOURCES + source + k) for k in range(CDMA_ALIGN))
        errors = [field.name for field in register if "err" in field.name and field.get(found)]
        if errors or data[target:target + CDMA_ALIGN] != right:
            raise AssertionError(f"the copy is wrong: {errors or 'data'}")

    async def copies(self, ctx, size: int, source: int, target: int, count: int,
                     step: int = 1) -> float:
        """Cycles a copy in the middle of a list of ``count`` copies."""
        await self.start(ctx, size, source, target, count, step)
        begin = await self.status.reach(ctx, count // 4)
        end = await self.status.reach(ctx, count * 3 // 4)
        await self.finish(ctx, source, target)
        return (end - begin) / (count // 2)


def measure(latencies: Iterable[int] = LATENCIES, cases: Iterable = CASES) -> list[Row]:
    """Measure cycles a copy in the middle of a list, and from doorbell to the first data read.

    The doorbell is the cycle that takes the data of the write of TAILDESC; the first data read is
    the first cycle with its AR.
    """
    engine, rows = Engine(DmaParams(reads_in_flight=16)), []
    rig = engine.rig

    def row(what: str, key: str, latency: int, cycles: float, unit: str) -> None:
        peer = PEERS[key].get(latency, (None, ""))
        rows.append(Row("dma", what, latency, cycles, unit, *peer))

    async def testbench(ctx):
        for latency in latencies:
            await rig.latency(ctx, "bus", latency)
            for name, size, source, target, count, step in cases:
                row(f"copy of {name}", name, latency,
                    await engine.copies(ctx, size, source, target, count, step), "copy")
            await engine.start(ctx, 64, 0, 0, 1)
            await engine.status.reach(ctx, 1)
            await engine.finish(ctx, 0, 0)
            row("doorbell to first data read", "doorbell", latency,
                ctx.get(engine.read.first) - ctx.get(engine.doorbell.first), "start")

    rig.run(testbench)
    return rows
