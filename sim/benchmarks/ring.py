"""The DMA engine with the native ring: copies back to back, and how soon the first one starts.

Peers: the same workloads on their RTL, with a memory of the same latency and 64-bit data; with a
port for descriptors where the ring has one.
"""

from collections.abc import Iterable

from rtl.dma.ring import Ring
from rtl.params import RingParams
from rtl.spec.ring_formats import WORD_0, WORD_1, WORD_2
from rtl.spec.ring_regs import RING_REGISTERS

from ..axi_lite import Manager
from .rig import LATENCIES, Probe, Rig, write
from .table import Row

__all__ = ["CASES", "measure"]

#: Layout of memory, in bytes: descriptors, completions, sources, targets.
SIZE, COMPLETIONS, SOURCES, TARGETS, REGION = 1 << 20, 1 << 16, 1 << 18, 1 << 19, 1 << 17
SLOTS_LOG2 = 12
#: What is copied: name, own port, bytes, offsets of source and target, copies, long descriptors.
CASES = (
    ("8 B", True, 8, 0, 0, 1024, False), ("64 B", True, 64, 0, 0, 512, False),
    ("64 B, long descriptors", True, 64, 0, 0, 512, True),
    ("64 B, misaligned", True, 64, 3, 5, 512, False), ("4 KiB", True, 4096, 0, 0, 32, False),
    ("4 KiB, misaligned", True, 4096, 3, 5, 32, False),
    ("64 B, one port", False, 64, 0, 0, 2048, False),
)
_SPLIT, _SPEC, _NO_LIST = "iDMA desc64, 2 ports", "iDMA desc64, spec. 24", "iDMA, no list"
_64 = {1: (8, _SPLIT), 16: (8, _SPLIT), 100: (8, _SPEC)}
PEERS = {
    "8 B": {1: (4, _SPLIT), 16: (4, _SPEC), 100: (7.5, _SPEC)},
    "64 B": _64, "64 B, long descriptors": _64,
    "64 B, misaligned": {1: (9, _NO_LIST), 16: (9, _NO_LIST), 100: (9, _SPEC)},
    "4 KiB": {L: (512, _SPLIT) for L in LATENCIES},
    "4 KiB, misaligned": {1: (513, _NO_LIST), 16: (515, _NO_LIST), 100: (515, _SPEC)},
    "64 B, one port": {L: (12, "iDMA desc64") for L in LATENCIES},
    "doorbell": {1: (7, _SPLIT), 100: (106, _SPLIT)},
}


def _source_byte(addr: int) -> int:
    return (addr ^ addr >> 8) * 37 & 0xFF


def descriptor(src: int, dst: int, size: int, *, long: bool = False) -> list[int]:
    """Words of a copy."""
    if not long:
        return [WORD_0.pack(src=src, size=size & 0xFFFF), WORD_1.pack(dst=dst)]
    return [src, WORD_1.pack(dst=dst & (1 << 48) - 1, long=1),
            WORD_2.pack(size=size, dst_high=dst >> 48), 0]


class _Engine:
    def __init__(self, own_port: bool):
        params = RingParams(reads_in_flight=64, depth=64, own_port=own_port)
        ports = {"bus": (0, SIZE), **({"rings": (0, SIZE)} if own_port else {})}
        self.rig = rig = Rig(Ring(params), ports)
        self.rings = "rings" if own_port else "bus"
        rows = rig.drams["bus"].rows
        words = [int.from_bytes(map(_source_byte, range(at, at + 8)), "little")
                 for at in range(SOURCES, SOURCES + 128, 8)]
        rows.init = [0] * (SOURCES // 8) + words + [0] * (rows.depth - SOURCES // 8 - len(words))
        self.doorbell = rig.taken(rig.dut.regs.w)
        bus, rings = rig.dut.bus, getattr(rig.dut, self.rings)
        ring_id = 0 if own_port else 1
        self.read = Probe(rig, bus.ar.valid & (bus.ar.p.id == 0))
        self.done = Probe(rig, rings.b.valid & rings.b.ready & (rings.b.p.id == ring_id))

    async def start(self, ctx, size, source, target, count, long) -> None:
        """Fill the ring with ``count`` copies and ring the doorbell."""
        bus = Manager(ctx, self.rig.dut.regs)
        await write(bus, RING_REGISTERS, "cr", reset=1)
        await ctx.tick().repeat(10)
        for k in range(count):
            words = descriptor(SOURCES + k * size % REGION + source,
                               TARGETS + k * size % REGION + target, size, long=long)
            self.rig.poke(ctx, self.rings, k * 8 * len(words), *words)
        await write(bus, RING_REGISTERS, "size", log2=SLOTS_LOG2)
        await write(bus, RING_REGISTERS, "completion_base", addr=COMPLETIONS >> 12)
        await write(bus, RING_REGISTERS, "cr", run=1)
        await self.rig.restart(ctx)
        await write(bus, RING_REGISTERS, "tail", slot=count << long)

    async def finish(self, ctx, source, target, size, count) -> None:
        """Wait until idle, and check the status and the first bytes."""
        bus = Manager(ctx, self.rig.dut.regs)
        register = RING_REGISTERS["sr"]
        while not register["idle"].get(found := await bus.readl(register.offset)):
            pass
        done = RING_REGISTERS["done"]["count"].get(
            await bus.readl(RING_REGISTERS["done"].offset))
        rows, size = self.rig.drams["bus"].rows, min(size * count, 64)
        data = b"".join(ctx.get(rows[TARGETS // 8 + k]).to_bytes(8, "little") for k in range(9))
        right = bytes(_source_byte(SOURCES + source + k) for k in range(size))
        halted = register["halted"].get(found)
        if halted or done != count or data[target:target + size] != right:
            raise AssertionError(f"the copy is wrong: {'halted' if halted else 'data'}")


def measure(latencies: Iterable[int] = LATENCIES, cases: Iterable = CASES) -> list[Row]:
    """Measure cycles a copy in the middle of a ring, and from doorbell to the first data read.

    The doorbell is the cycle that takes the data of the write of ``tail``; the first data read is
    the first cycle with its AR.
    """
    rows, cases = [], tuple(cases)

    def row(what: str, key: str, latency: int, cycles: float, unit: str) -> None:
        peer = PEERS[key].get(latency, (None, ""))
        rows.append(Row("ring", what, latency, cycles, unit, *peer))

    for own_port in sorted({case[1] for case in cases}, reverse=True):
        engine = _Engine(own_port)
        rig = engine.rig

        async def testbench(ctx, engine=engine, rig=rig, own_port=own_port):
            for latency in latencies:
                for port in rig.drams:
                    await rig.latency(ctx, port, latency)
                for name, port, size, source, target, count, long in cases:
                    if port is not own_port:
                        continue
                    await engine.start(ctx, size, source, target, count, long)
                    begin = await engine.done.reach(ctx, count // 2)
                    end = await engine.done.reach(ctx, count * 7 // 8)
                    await engine.finish(ctx, source, target, size, count)
                    row(f"copy of {name}", name, latency,
                        (end - begin) / (count * 7 // 8 - count // 2), "copy")
                if not own_port:
                    continue
                await engine.start(ctx, 64, 0, 0, 1, False)
                await engine.done.reach(ctx, 1)
                await engine.finish(ctx, 0, 0, 64, 1)
                row("doorbell to first data read", "doorbell", latency,
                    ctx.get(engine.read.first) - ctx.get(engine.doorbell.first), "start")

        rig.run(testbench)
    return rows
