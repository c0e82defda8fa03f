"""Skid: nothing lost, nothing late."""

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.stream.skid import Skid
from sim.streams import collect, send


@given(payloads=st.lists(st.integers(0, 255), min_size=1, max_size=20),
       stalls=st.tuples(*[st.sampled_from([0.0, 0.4])] * 2))
def test_order(bench, payloads, stalls):
    dut = Skid(8)
    this = bench(dut)

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, payloads, stall=stalls[0])

    @this.testbench
    async def sink(ctx):
        assert await collect(ctx, dut.o, len(payloads), stall=stalls[1]) == payloads

    this.run()


def test_same_cycle_and_one_each_cycle(bench):
    dut = Skid(8)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        for n in range(5):
            ctx.set(dut.i.payload, n)
            _, _, valid, payload, ready = await ctx.tick().sample(
                dut.o.valid, dut.o.payload, dut.i.ready)
            assert (valid, payload, ready) == (1, n, 1)

    this.run()


def test_ready_does_not_follow(bench):
    """Ready falls a cycle after the output has stopped, and rises a cycle after it goes on."""
    dut = Skid(8)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.i.valid, 1)
        seen = []
        for ready in (0, 0, 1, 1, 1):
            ctx.set(dut.o.ready, ready)
            *_, got = await ctx.tick().sample(dut.i.ready)
            seen.append(got)
        assert seen == [1, 0, 0, 1, 1]

    this.run()


@pytest.mark.parametrize("width", [0, 1, 64])
def test_netlist(width):
    rtlil.convert(Skid(width))
