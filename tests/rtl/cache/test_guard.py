"""Guard: what lies within a window is not cached, whatever happens to the window meanwhile."""

from random import Random

import pytest
from amaranth.back import rtlil

from rtl.cache.guard import Guard
from rtl.cache.layouts import Kind
from rtl.params import CacheParams

from .harness import SHAPES

LINES = 4096 // 64                          # in a page


@pytest.mark.parametrize("guards", [0, 1, 2])
def test_guard(bench, guards):
    dut = Guard(CacheParams(phys_bits=40, guards=guards, allocate=True))
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        random, first_found = Random(guards), False
        for _ in range(300):
            windows = [(random.randrange(2), random.randrange(6), random.randrange(6))
                       for _ in range(guards)]
            for port, (on, first, last) in zip(dut.windows, windows, strict=True):
                ctx.set(port, {"on": on, "first": first, "last": last})
            line, cache, kind = random.randrange(7 * LINES), random.randrange(16), Kind.ACCESS
            if random.random() < 0.3:
                kind = random.choice(list(Kind))
            opens, silent, go = (random.randrange(2) for _ in range(3))
            ctx.set(dut.i, {"line": {"set": line % 64, "tag": line // 64}, "cache": cache,
                            "kind": kind, "opens": opens, "silent": silent, "id": line % 16})
            ctx.set(dut.go, go)
            inside = any(on and first <= line // LINES <= last for on, first, last in windows)
            found = inside if opens else first_found
            mine = kind is Kind.ACCESS and not silent
            out = ctx.get(dut.o)
            assert out.id == line % 16
            assert out.kind is (Kind.BYPASS if mine and found else kind)
            assert out.cache == (cache & 3 if mine and found else cache)
            await ctx.tick()
            if go and mine:
                first_found = found

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Guard(SHAPES[shape]))
