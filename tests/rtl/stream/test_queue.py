"""Queue: order, level, latency, throughput, at every depth."""

import pytest
from amaranth.back import rtlil
from amaranth.lib import data
from hypothesis import given
from hypothesis import strategies as st

from rtl.stream.queue import Queue
from sim.streams import collect, send

LAYOUT = data.StructLayout({"tag": 3, "value": 9})


def run(bench, dut, count, *, stall_in, stall_out, seed=0):
    """Send ``count`` numbers; return the cycle in which each went in, and came out."""
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
        stored, cycle = [], 0
        pushed, popped = [], []
        times[:] = pushed, popped
        i, o = dut.i, dut.o
        async for _, _, ivalid, iready, data_in, ovalid, oready, data_out, level in \
                ctx.tick().sample(i.valid, i.ready, i.payload, o.valid, o.ready, o.payload,
                                  dut.level):
            cycle += 1
            assert level == len(stored)
            assert ovalid == bool(stored) and iready == (len(stored) < dut.depth)
            if stored:
                assert data_out == stored[0]
            if ovalid and oready:
                stored.pop(0)
                popped.append(cycle)
            if ivalid and iready:
                stored.append(data_in)
                pushed.append(cycle)

    this.run()
    return times


@given(depth=st.sampled_from([1, 2, 3, 4, 5, 8, 13]), seed=st.integers(0, 99),
       stall_in=st.sampled_from([0.0, 0.3, 0.8]), stall_out=st.sampled_from([0.0, 0.3, 0.8]))
def test_order(bench, depth, seed, stall_in, stall_out):
    run(bench, Queue(8, depth), 40, stall_in=stall_in, stall_out=stall_out, seed=seed)


@pytest.mark.parametrize("depth, step", [(1, 2), (2, 1), (3, 1), (16, 1)])
def test_speed(bench, depth, step):
    """One cycle of latency; one payload every `step` cycles."""
    pushed, popped = run(bench, Queue(8, depth), 20, stall_in=0, stall_out=0)
    assert pushed == [1 + step * k for k in range(20)]
    assert popped == [cycle + 1 for cycle in pushed]


def test_struct(bench):
    dut = Queue(LAYOUT, 3)
    this = bench(dut)
    payloads = [{"tag": k % 8, "value": 37 * k} for k in range(10)]

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, payloads)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, 10, stall=0.5)
        assert [{"tag": item.tag, "value": item.value} for item in got] == payloads

    this.run()


@pytest.mark.parametrize("depth", [1, 2, 3, 64])
def test_netlist(depth):
    rtlil.convert(Queue(LAYOUT, depth))


def test_wrong_depth():
    with pytest.raises(TypeError, match=r"^Queue depth must be an integer, not '4'$"):
        Queue(8, "4")
    with pytest.raises(ValueError, match=r"^Queue depth must be at least 1, not 0$"):
        Queue(8, 0)
