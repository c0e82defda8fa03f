"""Counters, and the functions on sets of bits."""

from itertools import product

import pytest
from amaranth import *
from amaranth.back import rtlil

from rtl.iommu.counters import Counters
from rtl.iommu.onehot import encode, lowest


def test_counters(bench):
    dut = Counters()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        counts = [0, 0, 0]
        for hits, misses, walk in product(product((0, 1), repeat=2), product((0, 1), repeat=2),
                                          (0, 1)):
            for n in range(2):
                ctx.set(dut.hit[n], hits[n])
                ctx.set(dut.miss[n], misses[n])
            ctx.set(dut.walk, walk)
            await ctx.tick()
            assert [ctx.get(dut.tlb_hits), ctx.get(dut.tlb_misses), ctx.get(dut.walks)] == counts
            counts = [counts[0] + sum(hits), counts[1] + sum(misses), counts[2] + walk]

    this.run()


@pytest.mark.parametrize("width", [1, 3, 4, 5])
def test_onehot(bench, width):
    m = Module()
    bits, least, index = Signal(width), Signal(width), Signal(4)
    m.d.comb += [least.eq(lowest(bits)), index.eq(encode(least))]
    this = bench(m)

    @this.testbench
    async def testbench(ctx):
        for value in range(1 << width):
            ctx.set(bits, value)
            await ctx.delay(1e-9)
            position = (value & -value).bit_length() - 1 if value else 0
            assert ctx.get(least) == (1 << position if value else 0)
            assert ctx.get(index) == position

    this.run()


def test_netlist():
    rtlil.convert(Counters())
