"""Fork and Join: every payload once, to everyone."""

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.stream.fork import Fork, Join
from sim.streams import collect, send

stalls = st.sampled_from([0.0, 0.3, 0.8])


@given(n=st.integers(1, 4), stall=st.lists(stalls, min_size=5, max_size=5))
def test_fork(bench, n, stall):
    dut = Fork(8, n)
    this = bench(dut)

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, range(20), stall=stall[4])

    for k in range(n):
        @this.testbench
        async def sink(ctx, k=k):
            assert await collect(ctx, dut.o[k], 20, stall=stall[k], seed=k) == list(range(20))
            ctx.set(dut.o[k].ready, 1)      # nothing may follow
            await ctx.tick().sample(dut.o[k].valid).until(~dut.i.valid)
            assert not ctx.get(dut.o[k].valid)

    this.run()


def test_fork_takes_early(bench):
    """An output need not wait for the other, and gets nothing twice."""
    dut = Fork(8, 2)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o[0].ready, 1)
        assert ctx.get(dut.o[0].valid) and ctx.get(dut.o[1].valid)
        for _ in range(3):
            await ctx.tick()
            assert not ctx.get(dut.o[0].valid) and ctx.get(dut.o[1].valid)
            assert not ctx.get(dut.i.ready)
        ctx.set(dut.o[1].ready, 1)
        assert ctx.get(dut.i.ready)
        await ctx.tick()
        assert ctx.get(dut.o[0].valid) and ctx.get(dut.o[1].valid)

    this.run()


@given(stall=st.lists(stalls, min_size=3, max_size=3))
def test_join(bench, stall):
    dut = Join({"left": 8, "right": 4})
    this = bench(dut)

    @this.testbench
    async def left(ctx):
        await send(ctx, dut.i.left, range(20), stall=stall[0])

    @this.testbench
    async def right(ctx):
        await send(ctx, dut.i.right, (k % 16 for k in range(20)), stall=stall[1], seed=1)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, 20, stall=stall[2])
        assert [(pair.left, pair.right) for pair in got] == [(k, k % 16) for k in range(20)]

    this.run()


@pytest.mark.parametrize("dut", [Fork(8, 1), Fork(8, 3), Join({"a": 1}), Join({"a": 8, "b": 3})])
def test_netlist(dut):
    rtlil.convert(dut)


def test_wrong_count():
    with pytest.raises(TypeError, match=r"^Number of outputs must be an integer, not 1\.0$"):
        Fork(8, 1.0)
    with pytest.raises(ValueError, match=r"^Number of outputs must be at least 1, not -1$"):
        Fork(8, -1)
    with pytest.raises(ValueError, match=r"^Join must have at least one input, not none$"):
        Join({})
