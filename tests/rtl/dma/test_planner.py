"""Planner: the same copy to three places at once, and none after a fault."""

import pytest
from amaranth.back import rtlil
from amaranth.lib import data
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.jobs import SPAN_BITS, Fault
from rtl.dma.planner import Planner
from sim.streams import collect, send

from .parts import place

SHAPES = {"smallest": (32, 4), "default": (64, 8), "odd": (40, 64)}
PAUSE = 30
LABEL = data.StructLayout({"name": 9, "odd": 1})


def run(bench, shape, jobs, *, stall=0.0, seed=0):
    """Plan ``jobs`` (src, dst, size, fault)."""
    addr_width, bus = SHAPES[shape]
    dut = Planner(addr_width=addr_width, bus_bytes=bus, label=LABEL)
    this = bench(dut)
    limit = 1 << addr_width
    entries, runs = [], []
    for k, (src, dst, size, fault) in enumerate(jobs):
        if fault is Fault.NONE and max(src, dst) + size > limit:
            fault = Fault.DMA_INT
        entries.append((k, k & 1, fault))
        if fault is not Fault.NONE:
            break
        runs.append((src, dst, size))

    @this.background
    async def source(ctx):
        await send(ctx, dut.jobs, [
            {"src": src, "dst": dst, "span": size - 1, "fault": fault,
             "doubt": fault is not Fault.NONE or k & 1, "label": {"name": k, "odd": k & 1}}
            for k, (src, dst, size, fault) in enumerate(jobs)], stall=stall, seed=seed)

    @this.testbench
    async def reads(ctx):
        got = await collect(ctx, dut.reads, len(runs), stall=stall, seed=seed + 1)
        for run, (src, dst, size) in zip(got, runs, strict=True):
            assert (run.addr, run.span) == (src, size - 1)
            assert {name: getattr(run.tag, name) for name in ("rotate", "primes", "spills")} == (
                place(src, dst, size, bus))

    @this.testbench
    async def writes(ctx):
        got = await collect(ctx, dut.writes, len(runs), stall=stall, seed=seed + 2)
        assert [(run.addr, run.span) for run in got] == [(dst, size - 1) for _, dst, size in runs]

    @this.testbench
    async def ends(ctx):
        got = await collect(ctx, dut.entries, len(entries), stall=stall, seed=seed + 3)
        assert [(entry.label.name, entry.label.odd, entry.fault) for entry in got] == entries
        for stream in (dut.reads, dut.writes, dut.entries):
            ctx.set(stream.ready, 1)
        await ctx.tick().repeat(PAUSE)

    @this.background
    async def together(ctx):
        """All three streams move in the same cycle, or only the entry of a fault does."""
        names, over = (dut.reads, dut.writes, dut.entries), False
        async for _, _, *seen in ctx.tick().sample(
                *(stream.valid & stream.ready for stream in names), dut.entries.p.fault):
            read, write, entry, fault = seen
            assert not (entry and over), "something followed a fault"
            over = over or (entry and fault is not Fault.NONE)
            assert read == write == (entry and fault is Fault.NONE)

    this.run()


@st.composite
def works(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
    limit = 1 << SHAPES[shape][0]
    addr = st.one_of(st.integers(0, limit - 1), st.integers(0, 300),
                     st.integers(1, 300).map(lambda k: limit - k))
    size = st.one_of(st.integers(1, 300), st.integers(1, 1 << SPAN_BITS))
    fault = st.sampled_from([Fault.NONE] * 9 + [Fault.SG_SLV])
    return shape, draw(st.lists(st.tuples(addr, addr, size, fault), min_size=1, max_size=6))


@given(work=works(), stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 99))
def test_matches_model(bench, work, stall, seed):
    run(bench, *work, stall=stall, seed=seed)


@pytest.mark.parametrize("edge", [0, 1])
@pytest.mark.parametrize("side", [0, 1])
def test_end_of_addresses(bench, side, edge):
    """The highest byte may be copied, and not the one after it."""
    addrs = [1 << 12, 1 << 12]
    addrs[side] = (1 << 32) - 100
    run(bench, "smallest", [(*addrs, 100 + edge, Fault.NONE), (0, 0, 1, Fault.NONE)])


def test_carry_below_the_end(bench):
    """A carry out of the low bits alone is no overflow."""
    edge = 3 << SPAN_BITS
    run(bench, "default", [(edge - 10, 5, 300, Fault.NONE), (5, edge - 1, 2, Fault.NONE)])


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    addr_width, bus = SHAPES[shape]
    rtlil.convert(Planner(addr_width=addr_width, bus_bytes=bus, label=LABEL))
