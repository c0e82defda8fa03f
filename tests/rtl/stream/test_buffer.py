"""Buffer: order, stability, latency, throughput, and no path through it."""

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import data
from hypothesis import given
from hypothesis import strategies as st

from rtl.stream.buffer import Buffer
from sim.streams import collect, send


def run(bench, count, *, stall_in, stall_out, seed=0):
    dut = Buffer(8)
    this = bench(dut)
    times = []

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, range(count), stall=stall_in, seed=seed)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, count, stall=stall_out, seed=seed + 1)
        assert got == list(range(count))

    @this.background
    async def monitor(ctx):
        times[:] = [], []
        cycle, waiting = 0, None
        i, o = dut.i, dut.o
        async for _, _, ivalid, iready, ovalid, oready, payload in ctx.tick().sample(
                i.valid, i.ready, o.valid, o.ready, o.payload):
            cycle += 1
            if waiting is not None:
                assert ovalid and payload == waiting
            waiting = payload if ovalid and not oready else None
            if ivalid and iready:
                times[0].append(cycle)
            if ovalid and oready:
                times[1].append(cycle)

    this.run()
    return times


@given(seed=st.integers(0, 99), stall_in=st.sampled_from([0.0, 0.3, 0.8]),
       stall_out=st.sampled_from([0.0, 0.3, 0.8]))
def test_order(bench, seed, stall_in, stall_out):
    run(bench, 40, stall_in=stall_in, stall_out=stall_out, seed=seed)


def test_speed(bench):
    pushed, popped = run(bench, 20, stall_in=0, stall_out=0)
    assert pushed == list(range(1, 21))
    assert popped == list(range(2, 22))


@pytest.mark.parametrize("path", ["ready", "valid"])
def test_no_path_through(path):
    """Feeding the outputs back to the inputs would be a combinational cycle if there were one."""
    m = Module()
    m.submodules.dut = dut = Buffer(8)
    if path == "ready":
        m.d.comb += dut.o.ready.eq(dut.i.ready)
    else:
        m.d.comb += [dut.i.valid.eq(dut.o.valid), dut.i.payload.eq(dut.o.payload)]
    rtlil.convert(m, ports=[dut.o.valid])


@pytest.mark.parametrize("shape", [1, data.StructLayout({"a": 3, "b": 64})])
def test_netlist(shape):
    rtlil.convert(Buffer(shape))
