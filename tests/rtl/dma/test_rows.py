"""Rows: a copy for each row, one a cycle, and what has none as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.jobs import Fault, JobLayout
from rtl.dma.ring_frontend import RingLabel
from rtl.dma.rows import Rows
from rtl.params import RingParams
from sim.streams import collect, send

from .parts import netlist

SHAPES = {"default": {"strided": True}, "narrow": {"strided": True, "addr_width": 33},
          "fill": {"strided": True, "fill": True, "addr_width": 40}}


def layout(shape):
    params = RingParams(**SHAPES[shape])
    return JobLayout(params.addr_width, RingLabel(params), fill=params.fill)


def run(bench, shape, todo, *, stall=0.0, seed=0):
    """Expand ``todo`` (src, dst, fill, rows, src stride, dst stride, fault); return the cycles."""
    params = RingParams(**SHAPES[shape])
    dut = Rows(layout(shape))
    this = bench(dut)
    limit = 1 << params.addr_width
    expected = []
    for k, (src, dst, fill, rows, src_stride, dst_stride, fault) in enumerate(todo):
        rows = rows if fault is Fault.NONE else 1
        for row in range(rows):
            expected.append((src if fill and params.fill else (src + row * src_stride) % limit,
                             (dst + row * dst_stride) % limit, k, row < rows - 1, fault))
    cycles = []

    @this.background
    async def source(ctx):
        await send(ctx, dut.work, [
            {"job": {"src": src, "dst": dst, "span": k, "fault": fault, "label": {"slot": k},
                     **({"fill": fill} if params.fill else {})},
             "rows": rows - 1, "src_stride": src_stride % (1 << 32),
             "dst_stride": dst_stride % (1 << 32)}
            for k, (src, dst, fill, rows, src_stride, dst_stride, fault) in enumerate(todo)],
            stall=stall, seed=seed)

    @this.background
    async def clock(ctx):
        cycles.clear()
        now = 0
        async for _, _, valid, ready in ctx.tick().sample(dut.jobs.valid, dut.jobs.ready):
            now += 1
            if valid and ready:
                cycles.append(now)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.jobs, len(expected), stall=stall, seed=seed + 1)
        assert [(job.src, job.dst, job.label.slot, job.label.more, job.fault)
                for job in got] == expected
        assert all(job.span == job.label.slot for job in got)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.jobs.valid)

    this.run()
    return cycles


STRIDE = st.one_of(st.integers(-2**31, 2**31 - 1), st.integers(-9, 9))
FAULT = st.sampled_from([Fault.NONE] * 5 + [Fault.DMA_INT])


@given(shape=st.sampled_from(sorted(SHAPES)), todo=st.lists(st.tuples(
           st.integers(0, 2**33 - 1), st.integers(0, 2**33 - 1), st.booleans(),
           st.integers(1, 5), STRIDE, STRIDE, FAULT), min_size=1, max_size=5),
       stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 99))
def test_matches_model(bench, shape, todo, stall, seed):
    run(bench, shape, todo, stall=stall, seed=seed)


def test_pace(bench):
    """A row a cycle, from one transfer to the next too."""
    cycles = run(bench, "default", [(0, 0, False, rows, 8, 8, Fault.NONE) for rows in (5, 1, 7)])
    assert cycles == list(range(cycles[0], cycles[0] + 13))


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(Rows(layout(shape)))
