"""The cache: hits, misses, sequential reads, and range maintenance.

16 KiB, 4 ways, lines of 64 B, 64-bit buses; so are the peers. Accesses of the CPU are single words,
offered without a gap, if nothing else is said. Four misses may be in flight; the rows that say so
have eight, as the peer has there. The last rows have prefetch and overtaking besides.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from random import Random

from amaranth.hdl import Mux, Signal

from rtl.axi.signature import CACHE_WRITE_BACK
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from rtl.spec.cache_regs import CACHE_REGISTERS, CacheMode

from ..axi_lite import Manager
from ..streams import get
from .rig import LATENCIES, Probe, Rig, burst, play, write
from .table import Row

__all__ = ["Cpu", "measure"]

PARAMS = CacheParams()
WORD, LINE, BEATS = PARAMS.data_width // 8, PARAMS.line_bytes, PARAMS.beats
#: Accesses in a stream of hits, lines in a sequential read, bytes of the range that is cleaned.
HITS, LINES, RANGE = 128, 128, 4096
#: Line in which hits are measured, what is read in sequence, and lines that miss.
HOT, STREAM, COLD = 0x2_0000, 0x8000, 0x3_0000
#: Random accesses, and the space in which they fall: four times the cache.
RANDOM, SPACE = 1500, 1 << 16
#: Best peer at each latency. Its port takes requests of a CPU core, where ours is AXI.
PCG, HPD = "PyCacheGen", "HPDcache"
PEERS = {
    "read hit": {L: (1.0, PCG) for L in LATENCIES},
    "write hit": {L: (1.0, PCG) for L in LATENCIES},
    "read hit, AR to R": {L: (1, PCG) for L in LATENCIES},
    "miss, AR to first R": {1: (3, PCG), 16: (18, PCG), 100: (102, PCG)},
    "sequential read by words": {1: (17, PCG), 16: (28, HPD), 100: (61, HPD)},
    "clean 4 KiB, all dirty": {1: (16.0, HPD), 16: (31.0, HPD), 100: (115.0, HPD)},
    "clean 4 KiB, nothing dirty": {L: (3.02, HPD) for L in LATENCIES},
    "flush 4 KiB, nothing there": {L: (5.02, HPD) for L in LATENCIES},
    "clean all, nothing dirty": {L: (0.016, HPD) for L in LATENCIES},
    "flush all, nothing dirty": {L: (2.02, HPD) for L in LATENCIES},
    "longest time between them": {1: (2057, HPD), 100: (7070, HPD)},
    "one word a line, 8 misses": {1: (8.01, HPD), 16: (8.02, HPD), 100: (14.3, HPD)},
    "sequential read by words, 8 misses": {1: (17, PCG), 16: (28, HPD), 100: (61, HPD)},
    "random read or write, 8 misses": {1: (5.98, HPD), 16: (6.0, HPD), 100: (12.6, HPD)},
    "sequential read by words, 4 prefetched": {1: (17, PCG), 16: (28, HPD), 100: (61, HPD)},
    "a miss and 32 hits of another ID": {1: (40, HPD), 16: (40, HPD), 100: (113, HPD)},
    "the same, each waits": {1: (11.5, PCG), 16: (23.2, HPD), 100: (86.8, HPD)},
}


def _address(addr: int, beats: int = 1) -> dict:
    return burst(addr, beats, cache=CACHE_WRITE_BACK, size=WORD.bit_length() - 1)


def _data(beats: int = 1) -> list[dict]:
    return [{"data": k, "strb": (1 << WORD) - 1, "last": k == beats - 1} for k in range(beats)]


class Cpu:
    """Accesses of the CPU, timed at its port."""

    def __init__(self, rig: Rig):
        self._rig, self._cpu = rig, rig.dut.cpu
        cpu, regs = rig.dut.cpu, rig.dut.regs
        self._ar, self._aw = Probe(rig, cpu.ar.valid), Probe(rig, cpu.aw.valid)
        self._r, self._b = rig.taken(cpu.r), rig.taken(cpu.b)
        self._command = rig.taken(regs.w)
        # Longest time from one beat of read data to the next.
        since, self._longest = Signal(32), Signal(32)
        event = cpu.r.valid & cpu.r.ready
        rig.m.d.sync += since.eq(Mux(event | rig.clear, 1, since + 1))
        with rig.m.If(event & (self._r.count != 0) & (since > self._longest)):
            rig.m.d.sync += self._longest.eq(since)
        with rig.m.If(rig.clear):
            rig.m.d.sync += self._longest.eq(0)
        # The first answer to a poll of `ctl` that says the command is done.
        self._done = Probe(rig, regs.r.valid & regs.r.ready & ~regs.r.p.data[0])

    async def _begin(self, ctx) -> None:
        ctx.set(self._cpu.r.ready, 1)
        ctx.set(self._cpu.b.ready, 1)
        await self._rig.restart(ctx)

    async def reads(self, ctx, addresses: list[int], beats: int = 1) -> float:
        """Cycles from the first beat to the last, for each that follows the first."""
        await self._begin(ctx)
        await play(ctx, (self._cpu.ar, (_address(addr, beats) for addr in addresses)))
        count = len(addresses) * beats
        await self._r.reach(ctx, count)
        return (ctx.get(self._r.last) - ctx.get(self._r.first)) / (count - 1)

    async def sequence(self, ctx, addresses: list[int], beats: int = 1) -> float:
        """Cycles from the first AR to the last beat, for each line."""
        await self.reads(ctx, addresses, beats)
        lines = len({addr // LINE for addr in addresses})
        return (ctx.get(self._r.last) - ctx.get(self._ar.first)) / lines

    async def writes(self, ctx, addresses: list[int], beats: int = 1) -> float:
        """Cycles from the first response to the last, for each that follows the first."""
        await self._begin(ctx)
        await play(ctx, (self._cpu.aw, [_address(addr, beats) for addr in addresses]),
                   (self._cpu.w, _data(beats) * len(addresses)))
        await self._b.reach(ctx, len(addresses))
        return (ctx.get(self._b.last) - ctx.get(self._b.first)) / (len(addresses) - 1)

    async def mixed(self, ctx, accesses: list[tuple[bool, int]]) -> float:
        """Cycles from the first address to the last answer, for each; in no order of kinds."""
        await self._begin(ctx)
        reads, writes = ([_address(addr) for write, addr in accesses if write == kind]
                         for kind in (False, True))
        await play(ctx, (self._cpu.ar, reads), (self._cpu.aw, writes),
                   (self._cpu.w, _data() * len(writes)))
        await self._r.reach(ctx, len(reads))
        await self._b.reach(ctx, len(writes))
        ends = ctx.get(self._r.last), ctx.get(self._b.last)
        starts = ctx.get(self._ar.first), ctx.get(self._aw.first)
        return (max(ends) - min(starts)) / len(accesses)

    async def dependent(self, ctx, accesses: list[tuple[bool, int]]) -> float:
        """Measure the same, each offered in the cycle after the answer to the one before."""
        await self._begin(ctx)
        for is_write, addr in accesses:
            if is_write:
                await play(ctx, (self._cpu.aw, [_address(addr)]), (self._cpu.w, _data()))
            else:
                await play(ctx, (self._cpu.ar, [_address(addr)]))
            answer = self._cpu.b if is_write else self._cpu.r
            await ctx.tick().until(answer.valid & answer.ready)
        await ctx.tick()                        # the probes tell what was in the cycle before
        ends = ctx.get(self._r.last), ctx.get(self._b.last)
        starts = ctx.get(self._ar.first), ctx.get(self._aw.first)
        return (max(ends) - min(starts)) / len(accesses)

    async def first(self, ctx, addr: int) -> int:
        """Cycles from the AR of one read to its first beat of data."""
        await self._begin(ctx)
        await play(ctx, (self._cpu.ar, [_address(addr)]))
        await self._r.reach(ctx, 1)
        return ctx.get(self._r.first) - ctx.get(self._ar.first)

    async def miss_and_hits(self, ctx, cold: int, hot: int) -> int:
        """Cycles from the AR of a miss to the last of 32 hits of another ID, and the miss."""
        await self._begin(ctx)
        await play(ctx, (self._cpu.ar, [_address(cold), *(
            _address(hot + WORD * (k % BEATS)) | {"id": 1} for k in range(32))]))
        await self._r.reach(ctx, 33)
        return ctx.get(self._r.last) - ctx.get(self._ar.first)

    async def store_load(self, ctx, addr: int) -> int:
        """Cycles from the AW of a store to the data of a load that waited for its B."""
        await self._begin(ctx)
        ctx.set(self._cpu.b.ready, 0)
        await play(ctx, (self._cpu.aw, [_address(addr)]), (self._cpu.w, _data()))
        await get(ctx, self._cpu.b)
        await play(ctx, (self._cpu.ar, [_address(addr)]))
        await self._r.reach(ctx, 1)
        return ctx.get(self._r.first) - ctx.get(self._aw.first)

    async def locked_out(self, ctx, addresses: list[int]) -> tuple[int, float]:
        """Longest time between hits while all is cleaned, and their pace meanwhile."""
        bus = Manager(ctx, self._rig.dut.regs)
        await self._begin(ctx)
        await write(bus, CACHE_REGISTERS, "ctl", enable=1, mode=CacheMode.CLEAN_SHARED, whole=1)
        await play(ctx, (self._cpu.ar, [_address(addr) for addr in addresses]))
        await self._r.reach(ctx, len(addresses))
        cycles = ctx.get(self._r.last) - ctx.get(self._r.first)
        return ctx.get(self._longest), cycles / (len(addresses) - 1)

    async def maintain(self, ctx, mode: CacheMode, start: int = 0, end: int = 0) -> int:
        """Cycles from the command to the answer of a poll that it is done; 0 to 0 is all."""
        bus, register = Manager(ctx, self._rig.dut.regs), CACHE_REGISTERS["ctl"]
        for name, addr in (("start", start), ("end", end)):
            await write(bus, CACHE_REGISTERS, f"{name}_msb", addr=addr >> 32)
            await write(bus, CACHE_REGISTERS, name, addr=addr & 0xFFFF_FFFF)
        await self._rig.restart(ctx)
        await write(bus, CACHE_REGISTERS, "ctl", enable=1, mode=mode, whole=end == 0)
        while register["enable"].get(await bus.readl(register.offset)):
            pass
        return ctx.get(self._done.first) - ctx.get(self._command.first)


async def _figures(ctx, cpu: Cpu) -> dict[str, tuple[float, str]]:
    """Everything at one latency, from an empty cache to a full one."""
    found = {}
    await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
    miss = await cpu.first(ctx, COLD)
    await cpu.reads(ctx, [HOT] * 2, BEATS)      # the second when the whole line is there
    words = [HOT + WORD * (k % BEATS) for k in range(HITS)]
    found["read hit"] = await cpu.reads(ctx, words), "access"
    found["write hit"] = await cpu.writes(ctx, words), "access"
    found["read and write hits, in turn, of the same words"] = await cpu.mixed(
        ctx, [(write, addr) for addr in words for write in (True, False)]), "access"
    found["read hit in bursts of a line"] = await cpu.reads(ctx, [HOT] * 32, BEATS), "beat"
    found["read hit, AR to R"] = await cpu.first(ctx, HOT), "access"
    found["store, its B, load of the same word"] = await cpu.store_load(ctx, HOT), "pair"
    found["miss, AR to first R"] = miss, "access"

    sequence = range(STREAM, STREAM + LINES * LINE, WORD)
    await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
    found["sequential read by words"] = await cpu.sequence(ctx, list(sequence)), "line"
    await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
    found["sequential read by lines"] = (
        await cpu.sequence(ctx, list(sequence[::BEATS]), BEATS), "line")

    await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
    await cpu.writes(ctx, list(range(0, RANGE, LINE)), BEATS)
    for state in ("all dirty", "nothing dirty"):
        cycles = await cpu.maintain(ctx, CacheMode.CLEAN_SHARED, 0, RANGE)
        found[f"clean 4 KiB, {state}"] = cycles * LINE / RANGE, "line"
    cycles = await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE, SPACE, SPACE + RANGE)
    found["flush 4 KiB, nothing there"] = cycles * LINE / RANGE, "line"

    await cpu.reads(ctx, list(range(0, PARAMS.size_bytes, LINE)))
    for name, mode in (("clean", CacheMode.CLEAN_SHARED), ("flush", CacheMode.CLEAN_INVALIDATE)):
        cycles = await cpu.maintain(ctx, mode)
        found[f"{name} all, nothing dirty"] = cycles * LINE / PARAMS.size_bytes, "line"

    await cpu.writes(ctx, list(range(0, PARAMS.size_bytes, LINE)), BEATS)
    longest, pace = await cpu.locked_out(ctx, list(range(0, LINE, WORD)) * (HITS // BEATS))
    found["read hits while all is cleaned"] = pace, "access"
    found["longest time between them"] = longest, "access"
    return found


async def _many(ctx, cpu: Cpu) -> dict[str, tuple[float, str]]:
    """With eight misses in flight."""
    random, found = Random(0), {}
    some = [(random.random() < 0.5, random.randrange(SPACE) & -WORD) for _ in range(RANDOM)]
    sequence = list(range(STREAM, STREAM + LINES * LINE, WORD))
    await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
    found["sequential read by words, 8 misses"] = await cpu.sequence(ctx, sequence), "line"
    await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
    lines = list(range(0, SPACE, LINE))
    found["one word a line, 8 misses"] = await cpu.sequence(ctx, lines), "line"
    await cpu.mixed(ctx, some)                  # the cache is full of it, and dirty
    found["random read or write, 8 misses"] = await cpu.mixed(ctx, some), "access"
    found["the same, each waits"] = await cpu.dependent(ctx, some[:RANDOM // 3]), "access"
    return found


async def _more(ctx, cpu: Cpu) -> dict[str, tuple[float, str]]:
    """With what is not there by default: prefetch and overtaking."""
    found = {}
    sequence = list(range(STREAM, STREAM + LINES * LINE, WORD))
    await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
    await cpu.reads(ctx, [HOT] * 2, BEATS)
    found["a miss and 32 hits of another ID"] = (
        await cpu.miss_and_hits(ctx, COLD + LINE, HOT), "total")
    await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
    found["sequential read by words, 4 prefetched"] = await cpu.sequence(ctx, sequence), "line"
    return found


def measure(latencies: Iterable[int] = LATENCIES) -> list[Row]:
    """Measure reads and writes of a CPU and the cleaning of a range of 64 lines."""
    rows = []
    more = replace(PARAMS, misses=8, prefetch=4, overtake=True)
    for params, figures in ((PARAMS, _figures), (replace(PARAMS, misses=8), _many), (more, _more)):
        rig = Rig(Cache(params), {"memory": (0, 1 << 18)})
        rig.run(partial(_measure, rig, Cpu(rig), figures, list(latencies), rows))
    return rows


async def _measure(rig: Rig, cpu: Cpu, figures: Callable, latencies: list[int], rows: list[Row],
                   ctx) -> None:
    await ctx.tick().repeat(2 * PARAMS.sets)    # until the sweep after reset is over
    for latency in latencies:
        await rig.latency(ctx, "memory", latency)
        for what, (cycles, unit) in (await figures(ctx, cpu)).items():
            peer = PEERS.get(what, {}).get(latency, (None, ""))
            rows.append(Row("cache", what, latency, cycles, unit, *peer))
