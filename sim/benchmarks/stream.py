"""The stream DMA engine: packets from and to memory, back to back.

Peers: AMD's figures of AXI DMA 7.1 (PG021, 10,000 bytes, its share of the bus, as cycles here), and
the loop of ``axi_dma_rd`` and ``axi_dma_wr`` of verilog-axi, with a memory of the same latency.
"""

from collections.abc import Iterable

from amaranth.hdl import Mux, Signal

from rtl.dma.stream_dma import StreamDma
from rtl.params import StreamParams
from rtl.spec.axi_dma_regs import AXI_DMA_REGISTERS
from rtl.spec.descriptor import AXI_DMA_CONTROL

from ..axi_lite import Manager
from .rig import LATENCIES, Probe, Rig, write
from .table import Row

__all__ = ["CASES", "measure"]

#: Layout of memory, in bytes: descriptors, and buffers from here on, which are used in turn.
SIZE, BUFFERS, REGION = 1 << 20, 1 << 18, 1 << 18
#: Bytes of the longest burst; buffers begin at a multiple of it, and an offset.
BURST = 128
#: What passes: name, own port for descriptors, channel, bytes of a packet, offset, packets.
CASES = (
    ("64 B from memory", True, "mm2s", 64, 0, 256),
    ("64 B from memory, one port", False, "mm2s", 64, 0, 2048),
    ("64 B from memory, misaligned", True, "mm2s", 64, 3, 256),
    ("4 KiB from memory", True, "mm2s", 4096, 0, 32),
    ("64 B to memory", True, "s2mm", 64, 0, 256),
    ("64 B to memory, one port", False, "s2mm", 64, 0, 1024),
    ("64 B to memory, misaligned", True, "s2mm", 64, 5, 256),
    ("4 KiB to memory", True, "s2mm", 4096, 0, 32),
)
_LOOP, _AMD = "verilog-axi, loop", "AMD AXI DMA, published"
PEERS = {
    "64 B from memory": {1: (10, _LOOP), 16: (15, _LOOP), 100: (56.9, _LOOP)},
    "64 B to memory": {1: (10, _LOOP), 16: (15, _LOOP), 100: (56.9, _LOOP)},
    "4 KiB from memory": {1: (513.2, _AMD), 16: (515, _LOOP), 100: (515, _LOOP)},
    "4 KiB to memory": {1: (686, _AMD), 16: (515, _LOOP), 100: (515, _LOOP)},
}


class _Engine:
    """The engine, with a device that takes everything and sends without a pause."""

    def __init__(self, own_port: bool):
        params = StreamParams(reads_in_flight=32, own_port=own_port)
        ports = {"bus": (0, SIZE), **({"lists": (0, SIZE)} if own_port else {})}
        self.rig = rig = Rig(StreamDma(params), ports)
        self.lists = "lists" if own_port else "bus"
        out, into = rig.dut.mm2s.t, rig.dut.s2mm.t
        rows = rig.drams["bus"].rows
        rows.init = [k * 0x0101 & (1 << 64) - 1 for k in range(rows.depth)]
        self.beats = Signal(16, init=8)         # of a packet that is sent
        beat, word = Signal(16), Signal(64)
        rig.m.d.comb += [
            out.ready.eq(1),
            into.valid.eq(1),
            into.p.data.eq(word),
            into.p.keep.eq(0xFF),
            into.p.last.eq(beat + 1 == self.beats),
        ]
        with rig.m.If(into.ready):
            rig.m.d.sync += [word.eq(word + 1), beat.eq(Mux(into.p.last, 0, beat + 1))]
        # What has passed: packets that were sent, and bursts of data that were written.
        b = rig.dut.bus.b
        self.done = {"mm2s": Probe(rig, out.valid & out.p.last),
                     "s2mm": Probe(rig, b.valid & b.ready & (b.p.id == 0))}

    async def run(self, ctx, channel, size, offset, count) -> float:
        """Pass ``count`` packets; return cycles a packet in the middle of them."""
        bus, rig = Manager(ctx, self.rig.dut.regs), self.rig
        for k in range(count):
            addr = BUFFERS + k * max(size, BURST) % REGION + offset
            control = AXI_DMA_CONTROL.pack(length=size, sof=1, eof=1)
            rig.poke(ctx, self.lists, 64 * k, 64 * (k + 1), addr, 0, control)
        ctx.set(self.beats, size // 8)
        self.slack = size
        await write(bus, AXI_DMA_REGISTERS, f"{channel}_cr", reset=1)
        await ctx.tick().repeat(400)
        await rig.restart(ctx)
        await write(bus, AXI_DMA_REGISTERS, f"{channel}_cr", run=1)
        await write(bus, AXI_DMA_REGISTERS, f"{channel}_taildesc", addr=count - 1)
        each = 1 if channel == "mm2s" else -(-size // BURST)
        begin = await self.done[channel].reach(ctx, count // 2 * each)
        end = await self.done[channel].reach(ctx, count * 7 // 8 * each)
        await self._check(ctx, bus, channel, size * count)
        return (end - begin) / (count * 7 // 8 - count // 2)

    async def _check(self, ctx, bus, channel, size) -> None:
        status = AXI_DMA_REGISTERS[f"{channel}_sr"]
        while not status["idle"].get(await bus.readl(status.offset)):
            pass
        await ctx.tick().repeat(400)
        register = AXI_DMA_REGISTERS[f"{channel}_done_bytes"]
        moved = await bus.readl(register.offset)
        # The reset may have dropped a part of the first packet of the device, which never pauses.
        if not size - (0 if channel == "mm2s" else self.slack) <= moved <= size:
            raise AssertionError(f"{moved} bytes were moved, not {size}")


def measure(latencies: Iterable[int] = LATENCIES, cases: Iterable = CASES) -> list[Row]:
    """Measure cycles a packet in the middle of a list, each packet in a buffer of its own."""
    rows, cases = [], tuple(cases)
    for own_port in sorted({case[1] for case in cases}, reverse=True):
        engine = _Engine(own_port)

        async def testbench(ctx, engine=engine, own_port=own_port):
            for latency in latencies:
                for port in engine.rig.drams:
                    await engine.rig.latency(ctx, port, latency)
                for name, port, channel, size, offset, count in cases:
                    if port is own_port:
                        cycles = await engine.run(ctx, channel, size, offset, count)
                        peer = PEERS.get(name, {}).get(latency, (None, ""))
                        rows.append(Row("stream", name, latency, cycles, "packet", *peer))

        engine.rig.run(testbench)
    return rows
