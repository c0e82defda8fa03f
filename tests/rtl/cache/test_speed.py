"""Cache: cycles, in the default geometry (16 KiB, 4 ways, lines of 64 bytes, 64-bit bus).

Memory answers the first word L cycles after the address, then one a cycle.
"""

import pytest

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode

from .harness import Setup

LATENCIES = [1, 16, 100]
LINE, WORD = 64, 8
CLEAN, FLUSH, INVALIDATE = (CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE,
                            CacheMode.MAKE_INVALIDATE)


async def stream(ctx, cpu, accesses, *, depth=16):
    """Offer ``(write, addr, beats)`` as fast as they are taken, at most ``depth`` outstanding.

    Returns the cycles of each address (``ar``, ``aw``), read beat (``r``) and response (``b``).
    """
    reads = [access for access in accesses if not access[0]]
    writes = [access for access in accesses if access[0]]
    data = [last for _, _, beats in writes for last in [0] * (beats - 1) + [1]]
    times = {"ar": [], "aw": [], "r": [], "b": []}
    ctx.set(cpu.r.ready, 1)
    ctx.set(cpu.b.ready, 1)
    sent = cycle = lasts = 0
    while lasts < len(reads) or len(times["b"]) < len(writes):
        for name, todo, done in (("ar", reads, lasts), ("aw", writes, len(times["b"]))):
            port, at = getattr(cpu, name), len(times[name])
            offered = at < len(todo) and at - done < depth
            if offered:
                _, addr, beats = todo[at]
                ctx.set(port.payload, {"addr": addr, "len": beats - 1, "size": 3,
                                       "burst": Burst.INCR, "cache": CACHE_WRITE_BACK})
            ctx.set(port.valid, offered)
        ctx.set(cpu.w.valid, sent < len(data))
        if sent < len(data):
            ctx.set(cpu.w.payload, {"data": sent, "strb": 255, "last": data[sent]})
        *_, ar, aw, w, r, last, b = await ctx.tick().sample(
            cpu.ar.valid & cpu.ar.ready, cpu.aw.valid & cpu.aw.ready, cpu.w.valid & cpu.w.ready,
            cpu.r.valid, cpu.r.p.last, cpu.b.valid)
        for name, happened in (("ar", ar), ("aw", aw), ("r", r), ("b", b)):
            if happened:
                times[name].append(cycle)
        sent, lasts, cycle = sent + w, lasts + (r and last), cycle + 1
    for port in (cpu.r, cpu.b):
        ctx.set(port.ready, 0)
    return times


def pace(times):
    """Cycles from one to the next, on average, without the start."""
    return (times[-1] - times[3]) / (len(times) - 4)


def measure(bench, latency, program):
    async def with_bus(ctx, cpu, software, memory):
        await ctx.tick().repeat(80)             # the sweep after reset
        await program(ctx, cpu, cpu._bus, software, memory)

    Setup(bench, CacheParams(phys_bits=32), size=1 << 16, latency=latency).run(with_bus)


def test_hits(bench):
    """A word a cycle: reads, writes, and loads of what was just stored."""
    async def program(ctx, cpu, bus, software, memory):
        words = [WORD * index for index in range(40)]
        await stream(ctx, bus, [(True, line * LINE, 8) for line in range(6)])
        await ctx.tick().repeat(10)             # until the last line is in its place
        times = await stream(ctx, bus, [(False, at, 1) for at in words])
        assert pace(times["r"]) == 1
        assert times["r"][0] - times["ar"][0] == 4
        times = await stream(ctx, bus, [(True, at, 1) for at in words])
        assert pace(times["b"]) == 1
        times = await stream(ctx, bus, [(write, at, 1) for at in words for write in (1, 0)])
        assert max(times["r"] + times["b"]) <= 2 * len(words) + 8
        for write, beats in ((False, "r"), (True, "b")):
            times = await stream(ctx, bus, [(write, line * LINE, 8) for line in range(6)])
            assert times[beats][-1] <= 6 * 8 + 13 and times["aw" if write else "ar"][0] == 0

    measure(bench, 1, program)


@pytest.mark.parametrize("latency", LATENCIES)
def test_misses(bench, latency):
    async def program(ctx, cpu, bus, software, memory):
        times = await stream(ctx, bus, [(False, 0x1000 + 3 * WORD, 1)])
        assert times["r"][0] - times["ar"][0] == latency + 3            # first word
        await ctx.tick().repeat(20)
        found = {}
        for name, base, write, beats in (("read", 0x2000, 0, 8), ("word", 0x3000, 0, 1),
                                         ("write", 0x4000, 1, 8)):
            times = await stream(ctx, bus, [(write, base + index * LINE, beats)
                                            for index in range(10)])
            found[name] = pace(times["b"] if write else times["r"][::beats])
        times = await stream(ctx, bus, [(False, 0x5000 + WORD * index, 1) for index in range(80)])
        found["words"] = pace(times["r"][::8])
        # Cycles a line, with four refills in flight.
        limits = {1: (9, 8, 11, 16), 16: (9, 8, 11, 18), 100: (35, 35, 52, 60)}[latency]
        for name, limit in zip(("read", "word", "words", "write"), limits, strict=True):
            assert found[name] <= limit + 0.1, name
        start = memory.cycle
        await cpu.read(0x7000, 1, cache=CACHE_BYPASS)
        assert memory.cycle - start <= latency + 8

    measure(bench, latency, program)


@pytest.mark.parametrize("latency", LATENCIES)
def test_dirty_misses(bench, latency):
    """Write-back and refill overlap; the new word waits until memory has taken the old line."""
    async def program(ctx, cpu, bus, software, memory):
        ways = [(True, way * 4096 + line * LINE, 8) for line in range(4) for way in range(4)]
        await stream(ctx, bus, ways)
        await ctx.tick().repeat(20)
        start = memory.cycle
        await cpu.load(4 * 4096, WORD)
        assert memory.cycle - start <= latency + 18
        times = await stream(ctx, bus, [(False, 4 * 4096 + line * LINE, 1) for line in range(1, 4)])
        assert times["r"][-1] <= 3 * (latency + 26)

    measure(bench, latency, program)


@pytest.mark.parametrize("latency", LATENCIES)
def test_maintenance(bench, latency):
    """Cycles a line of 4 KiB, from the register write to the poll that finds it done."""
    async def program(ctx, cpu, bus, software, memory):
        async def cycles(mode, start, end, *, whole=False):
            await software.start(mode, start, end, whole=whole)
            began = memory.cycle
            while await software.read("ctl", "enable"):
                pass
            return (memory.cycle - began) / 64

        await stream(ctx, bus, [(True, line * LINE, 8) for line in range(64)])
        assert await cycles(CLEAN, 0, 4096) <= 8 + (latency + 20) / 64          # dirty
        assert await cycles(CLEAN, 0, 4096) <= 0.3                              # clean
        assert await cycles(INVALIDATE, 0, 4032) <= 1.2                         # present
        assert await cycles(FLUSH, 8192, 8192 + 4032) <= 1.2                    # absent
        if latency == 1:
            await stream(ctx, bus, [(False, line * LINE, 1) for line in range(256)])
            assert await cycles(CLEAN, 0, 0, whole=True) / 4 <= 0.3
            assert await cycles(FLUSH, 0, 1 << 16) / 4 <= 0.3                   # range, by set

    measure(bench, latency, program)
