"""ThroughQueue: order, level, and what shows in the cycle in which it comes."""

from collections import deque

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.stream.through import ThroughQueue
from sim.streams import collect, send


@given(depth=st.sampled_from([1, 2, 3, 8]), seed=st.integers(0, 99),
       stall_in=st.sampled_from([0.0, 0.3, 0.8]), stall_out=st.sampled_from([0.0, 0.3, 0.8]))
def test_order(bench, depth, seed, stall_in, stall_out):
    dut, count = ThroughQueue(8, depth), 40
    this = bench(dut)

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, range(count), stall=stall_in, seed=seed)

    @this.testbench
    async def sink(ctx):
        assert await collect(ctx, dut.o, count, stall=stall_out, seed=seed + 1) == [*range(count)]

    @this.background
    async def monitor(ctx):
        stored = deque()
        i, o = dut.i, dut.o
        async for _, _, ivalid, iready, coming, ovalid, oready, shown, level in ctx.tick().sample(
                i.valid, i.ready, i.payload, o.valid, o.ready, o.payload, dut.level):
            assert level == len(stored)
            assert iready == (len(stored) < depth)
            assert ovalid == (bool(stored) or ivalid)
            if ivalid and iready:
                stored.append(coming)
            if ovalid:
                assert shown == stored[0]
            if ovalid and oready:
                stored.popleft()

    this.run()


@pytest.mark.parametrize("depth", [1, 3])
def test_netlist(depth):
    rtlil.convert(ThroughQueue(3, depth))
