"""Guard: what lies within a window is not cached, and no exclusive access is."""

from random import Random

import pytest
from amaranth.back import rtlil

from rtl.cache.guard import Guard
from rtl.params import CacheParams

from .harness import SHAPES


@pytest.mark.parametrize("guards", [0, 1, 2])
@pytest.mark.parametrize("name", ["ar", "aw"])
def test_guard(bench, guards, name):
    dut = Guard(CacheParams(phys_bits=40, guards=guards), name)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        random = Random(guards)
        for _ in range(300):
            windows = [(random.randrange(2), random.randrange(6), random.randrange(6))
                       for _ in range(guards)]
            for port, (on, first, last) in zip(dut.windows, windows, strict=True):
                ctx.set(port, {"on": on, "first": first, "last": last})
            addr, cache = random.randrange(7 << 12), random.randrange(16)
            valid, ready = random.randrange(2), random.randrange(2)
            lock = random.random() < 0.2
            ctx.set(dut.i.payload, {"addr": addr, "cache": cache, "len": addr % 256, "lock": lock})
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.o.ready, ready)
            inside = any(on and first <= addr >> 12 <= last for on, first, last in windows)
            out = ctx.get(dut.o.payload)
            assert (out.addr, out.len, out.lock) == (addr, addr % 256, lock)
            assert out.cache == (cache & 3 if inside or lock else cache)
            assert ctx.get(dut.o.valid) == valid and ctx.get(dut.i.ready) == ready

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Guard(SHAPES[shape], "ar"))
