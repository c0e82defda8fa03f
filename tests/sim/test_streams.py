"""Stream helpers: handshakes by the clock edge, whatever the order of testbenches."""

from itertools import pairwise

import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from hypothesis import given
from hypothesis import strategies as st

from sim.streams import collect, get, put, put_all, send


class Wire(wiring.Component):
    """One stream, wired through, and two that are taken at cycles of their own."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    left: In(stream.Signature(4))
    right: In(stream.Signature(4))
    count: Out(8)

    def elaborate(self, platform):
        m = Module()
        connect(m, flipped(self.i), flipped(self.o))
        m.d.sync += self.count.eq(self.count + 1)
        m.d.comb += [self.left.ready.eq(self.count == 2), self.right.ready.eq(self.count == 5)]
        return m


def transfers(bench, count, *, receive_first=False, **stalls):
    """Cycles in which a payload passed."""
    dut = Wire()
    this = bench(dut)
    cycles = []

    async def source(ctx):
        await send(ctx, dut.i, range(count), **stalls.get("send", {}))

    async def sink(ctx):
        assert await collect(ctx, dut.o, count, **stalls.get("collect", {})) == list(range(count))

    for bench_function in (sink, source) if receive_first else (source, sink):
        this.testbench(bench_function)

    @this.background
    async def monitor(ctx):
        cycles.clear()
        async for _, _, valid, ready, now in ctx.tick().sample(dut.o.valid, dut.o.ready,
                                                               dut.count):
            if valid and ready:
                cycles.append(now)

    this.run()
    return cycles


@pytest.mark.parametrize("receive_first", [False, True])
def test_full_speed(bench, receive_first):
    assert transfers(bench, 10, receive_first=receive_first) == list(range(10))


@given(seed=st.integers(0, 99), receive_first=st.booleans(),
       stall=st.sampled_from([0.2, 0.6]))
def test_stalls(bench, seed, receive_first, stall):
    """Nothing is lost or doubled; the same seed gives the same cycles, in either order."""
    stalls = {"send": {"stall": stall, "seed": seed},
              "collect": {"stall": stall, "seed": seed + 1}}
    cycles = transfers(bench, 12, receive_first=receive_first, **stalls)
    assert len(cycles) == 12 and any(b - a > 1 for a, b in pairwise(cycles))
    assert cycles == transfers(bench, 12, receive_first=not receive_first, **stalls)


def test_seed_matters(bench):
    patterns = {tuple(transfers(bench, 12, send={"stall": 0.5, "seed": seed}))
                for seed in range(4)}
    assert len(patterns) == 4


def test_put_and_get_leave_the_stream_idle(bench):
    dut = Wire()
    this = bench(dut)

    @this.testbench
    async def source(ctx):
        await put(ctx, dut.i, 7)
        assert ctx.get(dut.count) == 4 and not ctx.get(dut.i.valid)

    @this.testbench
    async def sink(ctx):
        await ctx.tick().repeat(3)
        assert await get(ctx, dut.o) == 7
        assert ctx.get(dut.count) == 4 and not ctx.get(dut.o.ready)

    this.run()


def test_put_all(bench):
    """Each is withdrawn when it is taken, and not before."""
    dut = Wire()
    this = bench(dut)

    @this.testbench
    async def source(ctx):
        await put_all(ctx, (dut.right, 9), (dut.left, 3))
        assert ctx.get(dut.count) == 6

    @this.testbench
    async def monitor(ctx):
        for now in range(6):
            _, _, left, right = await ctx.tick().sample(dut.left.valid, dut.right.valid)
            assert (left, right) == (now <= 2, True)
        assert (ctx.get(dut.left.payload), ctx.get(dut.right.payload)) == (3, 9)
        assert not ctx.get(dut.right.valid)

    this.run()
