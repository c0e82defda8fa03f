"""Cache: cycles, at several latencies of memory, in the default geometry."""

from itertools import pairwise

import pytest

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst
from rtl.params import CacheParams

from .harness import Setup

LATENCIES = [1, 16, 100]
LINE, WORD = 64, 8


async def stream(ctx, dut, accesses, *, depth=16):
    """Offer bursts of ``(write, addr, beats)`` as fast as they are taken.

    Returns the cycle in which each address was taken, and those of each read beat and response.
    """
    cpu, cycle = dut.cpu, 0
    reads = [access for access in accesses if not access[0]]
    writes = [access for access in accesses if access[0]]
    data = [last for _, _, beats in writes for last in [0] * (beats - 1) + [1]]
    sides = {"ar": reads, "aw": writes}
    times = {"ar": [], "aw": [], "r": [], "b": []}
    total = {"r": sum(beats for *_, beats in reads), "b": len(writes)}
    ctx.set(cpu.r.ready, 1)
    ctx.set(cpu.b.ready, 1)
    sent = 0
    while any(len(times[name]) < count for name, count in total.items()):
        for name, todo in sides.items():
            port, at = getattr(cpu, name), len(times[name])
            done = len(times["b"]) if name == "aw" else len(times["r"])
            offered = at < len(todo) and at - done < depth
            if offered:
                _, addr, beats = todo[at]
                ctx.set(port.payload, {"addr": addr, "len": beats - 1, "size": 3,
                                       "burst": Burst.INCR, "cache": CACHE_WRITE_BACK})
            ctx.set(port.valid, offered)
        ctx.set(cpu.w.valid, sent < len(data))
        if sent < len(data):
            ctx.set(cpu.w.payload, {"data": sent, "strb": 255, "last": data[sent]})
        *_, ar, aw, w, r, b = await ctx.tick().sample(
            cpu.ar.valid & cpu.ar.ready, cpu.aw.valid & cpu.aw.ready, cpu.w.valid & cpu.w.ready,
            cpu.r.valid, cpu.b.valid)
        for name, happened in (("ar", ar), ("aw", aw), ("r", r), ("b", b)):
            if happened:
                times[name].append(cycle)
        sent += w
        cycle += 1
        assert cycle < 5000
    ctx.set(cpu.r.ready, 0)
    ctx.set(cpu.b.ready, 0)
    return times


def pace(times):
    """Cycles from one to the next, on average."""
    return (times[-1] - times[0]) / (len(times) - 1)


async def settle(ctx):
    for _ in range(6):
        await ctx.tick()


def measure(bench, latency, program):
    this = Setup(bench, CacheParams(phys_bits=32), size=1 << 16, latency=latency)
    this.run(program)


def test_hits(bench):
    """One word a cycle: reads, writes, and loads of what was just stored."""
    async def program(ctx, cpu, software, memory):
        dut = cpu._bus
        for line in range(8):
            await cpu.store(line * LINE, bytes(LINE))
        words = [8 * index for index in range(64)]
        for kind in ("read", "write"):
            times = await stream(ctx, Port(dut), [(kind == "write", at, 1) for at in words])
            assert pace(times["r" if kind == "read" else "b"]) == 1
        first = times = await stream(ctx, Port(dut), [(False, 0, 1)])
        assert first["r"][0] - first["ar"][0] == 4
        both = await stream(ctx, Port(dut), [(write, at, 1) for at in words for write in (1, 0)])
        assert max(both["r"] + both["b"]) <= 2 * len(words) + 8
        times = await stream(ctx, Port(dut), [(False, line * LINE, 8) for line in range(8)])
        assert pace(times["r"]) == 1

    measure(bench, 1, program)


class Port:
    def __init__(self, bus):
        self.cpu = bus


@pytest.mark.parametrize("latency", LATENCIES)
def test_misses(bench, latency):
    async def program(ctx, cpu, software, memory):
        port = Port(cpu._bus)
        await settle(ctx)
        times = await stream(ctx, port, [(False, 0x1000 + 3 * WORD, 1)])
        first = times["r"][0] - times["ar"][0]
        for _ in range(20):
            await ctx.tick()
        times = await stream(ctx, port, [(False, 0x2000 + index * LINE, 8) for index in range(24)])
        sequential = pace([cycle for cycle, after in pairwise(times["r"][::8])])
        times = await stream(ctx, port, [(False, 0x3000 + index * WORD, 1) for index in range(64)])
        words = pace(times["r"][::8])
        times = await stream(ctx, port, [(True, 0x4000 + index * LINE, 8) for index in range(24)])
        writes = pace(times["b"])
        times = await stream(ctx, port, [(False, 0x6000 + index * LINE, 1) for index in range(24)])
        single = pace(times["r"])
        times = await stream(ctx, port, [(index % 2, 0x4000 + index * LINE * 7, 1)
                                         for index in range(48)])
        dirty = pace(sorted(times["r"] + times["b"]))
        bypass, start = [], memory.cycle
        await cpu.read(0x7000, 1, cache=CACHE_BYPASS)
        bypass = memory.cycle - start
        print(f"L={latency}: first {first}, lines {sequential}, words {words}, writes {writes}, "
              f"single {single}, dirty {dirty} bypass {bypass}")

    measure(bench, latency, program)


@pytest.mark.parametrize("latency", LATENCIES)
def test_maintenance(bench, latency):
    async def program(ctx, cpu, software, memory):
        async def cycles(mode, **kwargs):
            await software.start(mode, **kwargs)
            start = memory.cycle
            busy = cpu_busy
            while ctx.get(busy):
                await ctx.tick()
            return memory.cycle - start

        cpu_busy = this.dut.cpu_busy
        for line in range(64):
            await cpu.store(line * LINE, bytes(LINE))
        found = {}
        found["clean dirty"] = await cycles(2, start=0, end=4096)
        found["clean clean"] = await cycles(2, start=0, end=4096)
        found["absent"] = await cycles(0, start=8192, end=8192 + 4096 - 64)
        found["inval"] = await cycles(1, start=0, end=4096 - 64)
        found["all clean"] = await cycles(0, whole=True)
        print(latency, found)

    this = None
