"""HeadQueue: order, latency of one cycle, and a payload a cycle."""

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.stream.head import HeadQueue
from sim.streams import collect, send


def run(bench, depth, *, stall_in, stall_out, seed=0):
    """Send numbers; return the cycles in which each went in, and came out."""
    dut = HeadQueue(8, depth)
    this = bench(dut)
    pushed, popped = [], []

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, range(30), stall=stall_in, seed=seed)

    @this.testbench
    async def sink(ctx):
        assert await collect(ctx, dut.o, 30, stall=stall_out, seed=seed + 1) == list(range(30))

    @this.background
    async def monitor(ctx):
        cycle = 0
        pushed.clear(), popped.clear()
        async for _, _, come, room, show, take in ctx.tick().sample(
                dut.i.valid, dut.i.ready, dut.o.valid, dut.o.ready):
            cycle += 1
            pushed.extend([cycle] * (come and room))
            popped.extend([cycle] * (show and take))

    this.run()
    return pushed, popped


@given(depth=st.sampled_from([1, 2, 3, 4]), seed=st.integers(0, 99),
       stall_in=st.sampled_from([0.0, 0.5]), stall_out=st.sampled_from([0.0, 0.5]))
def test_order(bench, depth, seed, stall_in, stall_out):
    run(bench, depth, stall_in=stall_in, stall_out=stall_out, seed=seed)


def test_speed(bench):
    pushed, popped = run(bench, 4, stall_in=0, stall_out=0)
    assert pushed == list(range(1, 31))
    assert popped == [cycle + 1 for cycle in pushed]


@pytest.mark.parametrize("depth", [1, 4])
def test_netlist(depth):
    rtlil.convert(HeadQueue(8, depth))
