"""BurstSplitter: which bytes each burst covers, counted one by one."""

from itertools import pairwise

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.burst_splitter import BurstSplitter
from sim.streams import collect, send

from .parts import pages

SHAPES = {
    "smallest": {"addr_width": 16, "span_width": 6, "bus_bytes": 1, "max_beats": 2},
    "default": {"addr_width": 64, "span_width": 26, "bus_bytes": 8, "max_beats": 16, "tag": 5},
    "within": {"addr_width": 32, "span_width": 5, "bus_bytes": 4, "max_beats": 8, "tag": 1},
    "page": {"addr_width": 40, "span_width": 14, "bus_bytes": 32, "max_beats": 256, "tag": 1},
}
#: Longest run that is tried, in pages.
MOST = 5


def run(bench, shape, runs, *, stall=0.0, seed=0):
    """Cut runs given as address and size; return the cycle in which each burst was taken."""
    dut = BurstSplitter(**SHAPES[shape])
    this = bench(dut)
    page, tag_bits = dut.page_bytes, len(dut.runs.p.tag)
    tags = [k % 2**tag_bits for k in range(len(runs))]
    expected = [{**burst, "tag": tag} for (addr, size), tag in zip(runs, tags, strict=True)
                for burst in pages(addr, size, page, dut.bus_bytes)]
    times = []

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.runs, [
            {"addr": addr, "span": size - 1, "tag": tag}
            for (addr, size), tag in zip(runs, tags, strict=True)], stall=stall, seed=seed)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.bursts, len(expected), stall=stall, seed=seed + 1)
        assert [{name: getattr(burst, name) for name in expected[0]} for burst in got] == expected

    @this.background
    async def clock(ctx):
        cycle = 0
        times.clear()
        async for _, _, valid, ready in ctx.tick().sample(dut.bursts.valid, dut.bursts.ready):
            cycle += 1
            if valid and ready:
                times.append(cycle)

    this.run()
    return times


@st.composite
def works(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
    args = SHAPES[shape]
    page, limit = BurstSplitter(**args).page_bytes, 1 << args["addr_width"]
    runs = []
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.integers(1, min(2**args["span_width"], MOST * page)))
        near = draw(st.sampled_from([0, page, limit - size]))
        runs.append((min(max(near + draw(st.integers(-2 * page, page)), 0), limit - size), size))
    return shape, runs


@given(work=works(), stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 99))
def test_covers_the_run(bench, work, stall, seed):
    run(bench, *work, stall=stall, seed=seed)


def test_pace(bench):
    """A burst a cycle, from run to run too."""
    times = run(bench, "default", [(0, 512), (64, 256)])
    assert [after - before for before, after in pairwise(times)] == [
        1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(BurstSplitter(**SHAPES[shape]))


@pytest.mark.parametrize("wrong, message", [
    ({"bus_bytes": 24}, "Bus width must be a power of two up to 128 bytes, not 24"),
    ({"max_beats": 1}, "Burst must be 2, 4, ... or 256 beats long, not 1"),
])
def test_parameters(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        BurstSplitter(**{**SHAPES["default"], **wrong})
