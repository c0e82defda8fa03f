"""Census: what a group of sets holds."""

from random import Random

import pytest
from amaranth.back import rtlil

from rtl.cache.census import Census

from .harness import SHAPES


@pytest.mark.parametrize("shape", SHAPES)
def test_census(bench, shape):
    params = SHAPES[shape]
    dut = Census(params)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        random, held = Random(0), [(0, 0)] * params.sets
        for _ in range(300):
            at, asked = random.randrange(params.sets), random.randrange(params.sets)
            new = random.random() < 0.3, random.random() < 0.3
            write = random.random() < 0.5
            for port, value in ((dut.write, write), (dut.set, at), (dut.full, new[0]),
                                (dut.dirty, new[1]), (dut.asked, asked)):
                ctx.set(port, value)
            first = asked - asked % params.group
            group = held[first:first + params.group]
            assert ctx.get(dut.some_full) == any(full for full, _ in group)
            assert ctx.get(dut.some_dirty) == any(dirty for _, dirty in group)
            await ctx.tick()
            if write:
                held[at] = new

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Census(SHAPES[shape]))
