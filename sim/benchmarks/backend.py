"""The back end of the DMA engine alone: copies of one size back to back, as fast as it takes them.

Peers: the back end of the same kind with 64 reads in flight, before a memory of the same latency.
"""

from collections.abc import Iterable

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.signature import Signature, dma_user_layout
from rtl.dma.mover import Mover
from rtl.dma.port import Port
from rtl.params import DmaParams

from .rig import LATENCIES, Probe, Rig
from .table import Row

__all__ = ["CASES", "BackEnd", "Engine", "measure"]

SIZE, SOURCES, TARGETS = 1 << 20, 1 << 18, 1 << 19
#: What is moved: name, reads in flight, bytes, offsets of source and target, copies, fill.
CASES = (
    ("8 B", 64, 8, 0, 0, 2048, False), ("8 B, 128 in flight", 128, 8, 0, 0, 2048, False),
    ("16 B", 64, 16, 0, 0, 2048, False), ("32 B", 64, 32, 0, 0, 1024, False),
    ("64 B", 64, 64, 0, 0, 1024, False), ("4 KiB", 64, 4096, 0, 0, 32, False),
    ("64 B, misaligned", 64, 64, 3, 5, 1024, False),
    ("256 B, misaligned", 64, 256, 3, 5, 512, False),
    ("1 KiB, misaligned", 64, 1024, 3, 5, 128, False),
    ("4 KiB, misaligned", 64, 4096, 3, 5, 32, False),
    ("64 KiB, misaligned", 64, 65536, 3, 5, 8, False),
    ("4 KiB, fill", 64, 4096, 0, 5, 32, True),
)
_PEER, _SPLIT = "iDMA back end, 64 in flight", "iDMA back end, decoupled"
PEERS = {
    "8 B": (1, 1, 3.1), "8 B, 128 in flight": (1, 1, 3.1), "16 B": (2, 2, 3.1),
    "64 B": (8, 8, 8), "4 KiB": (512, 512, 512), "64 B, misaligned": (9, 9, 9),
    "256 B, misaligned": (33, 33.1, 33.1), "1 KiB, misaligned": (129, 129.5, 129.5),
    "4 KiB, misaligned": (513, 515, 515), "64 KiB, misaligned": (8193, 8225, 8225),
}


class BackEnd(wiring.Component):
    """A mover with a source of copies that never waits.

    Members
    -------
    src, dst, span, step, count, fill
        First copy, bytes - 1, distance of copies, how many.
    go : ``In(1)``
        Start.
    finished : ``Out(1)``
        A copy ended.
    bus : ``Out(axi.Signature(...))``
        Bus.
    """

    def __init__(self, params: DmaParams):
        self._params = params
        super().__init__({
            "src": In(32), "dst": In(32), "span": In(26), "step": In(32), "count": In(16),
            "fill": In(1), "go": In(1), "finished": Out(1),
            "bus": Out(Signature(addr_width=params.addr_width, data_width=params.data_width,
                                 id_width=params.id_width, user=dma_user_layout())),
        })

    def elaborate(self, platform):
        """Wire it."""
        m = Module()
        m.submodules.mover = mover = Mover(self._params, label=1, fill=True)
        m.submodules.port = port = Port(self._params, clients=1)
        connect(m, mover.reads, port.reads[0])
        connect(m, mover.writes, port.writes[0])
        connect(m, port.bus, flipped(self.bus))
        left, offset = Signal(16), Signal(17)           # the next copy, in a region of 128 KiB
        job = mover.jobs.p
        m.d.comb += [
            mover.jobs.valid.eq(left != 0),
            job.src.eq(Mux(self.fill, 0, self.src + offset)),
            job.dst.eq(self.dst + offset),
            job.span.eq(self.span),
            job.fill.eq(self.fill),
            mover.entries.ready.eq(1),
            mover.finished.ready.eq(1),
            self.finished.eq(mover.finished.valid),
        ]
        with m.If(self.go):
            m.d.sync += [left.eq(self.count), offset.eq(0)]
        with m.Elif(mover.jobs.valid & mover.jobs.ready):
            m.d.sync += [left.eq(left - 1), offset.eq(offset + self.step)]
        return m


class Engine:
    """A back end before a memory.

    Parameters
    ----------
    rig : Rig
        Rig whose block has the inputs of :class:`BackEnd`.
    port : str
        Port with the memory of the data.
    source, target : int
        Where copies begin.
    """

    def __init__(self, rig: Rig, port: str = "bus", source: int = SOURCES, target: int = TARGETS):
        self.rig, self._source, self._target = rig, source, target
        self._rows = rows = rig.drams[port].rows
        rows.init = [(at * 0x9E37_79B9_7F4A_7C15) % (1 << 64) for at in range(rows.depth)]
        bus = getattr(rig.dut, port)
        self.done = Probe(rig, rig.dut.finished)
        self.read, self.write = rig.taken(bus.r), rig.taken(bus.w)

    async def run(self, ctx, size, source, target, count, fill=False, step=None) -> float:
        """Copy; return the cycles of a copy in the middle, or of one alone."""
        dut, rows = self.rig.dut, self._rows
        source, target = self._source + source, self._target + target
        for name, value in (("src", source), ("dst", target), ("span", size - 1),
                            ("step", size if step is None else step), ("count", count),
                            ("fill", fill)):
            ctx.set(getattr(dut, name), value)

        def word(addr):
            pair = (ctx.get(rows[addr // 8]) | ctx.get(rows[addr // 8 + 1]) << 64)
            return pair >> addr % 8 * 8 & (1 << 64) - 1

        right = 0 if fill else word(source)
        await self.rig.restart(ctx)
        ctx.set(dut.go, 1)
        *_, begin = await ctx.tick().sample(self.rig.now)
        ctx.set(dut.go, 0)
        if count > 1:
            begin = await self.done.reach(ctx, count // 2)
        end = await self.done.reach(ctx, max(count * 7 // 8, 1))
        await self.done.reach(ctx, count)
        if word(target) != right:
            raise AssertionError("the copy is wrong")
        return (end - begin) / max(count * 7 // 8 - count // 2, 1)


def measure(latencies: Iterable[int] = LATENCIES, cases: Iterable = CASES) -> list[Row]:
    """Measure cycles a copy, and from the last beat of one that was read to its first write."""
    rows, cases = [], tuple(cases)
    for in_flight in sorted({case[1] for case in cases}):
        engine = Engine(Rig(BackEnd(DmaParams(reads_in_flight=in_flight)), {"bus": (0, SIZE)}))

        async def testbench(ctx, engine=engine, in_flight=in_flight):
            for latency in latencies:
                await engine.rig.latency(ctx, "bus", latency)
                for name, reads, size, source, target, count, fill in cases:
                    if reads != in_flight:
                        continue
                    cycles = await engine.run(ctx, size, source, target, count, fill)
                    peer = dict(zip(LATENCIES, PEERS.get(name, ()), strict=False)).get(latency)
                    rows.append(Row("backend", f"copy of {name}" if not fill else name, latency,
                                    cycles, "copy", peer, _PEER if peer else ""))
                await engine.run(ctx, 8, 0, 0, 1)
                rows.append(Row(
                    "backend", "read data to write data", latency,
                    ctx.get(engine.write.first) - ctx.get(engine.read.first), "start"))

        engine.rig.run(testbench)
    return rows
