"""Mover: every byte of copies and fills, in order, and one copy a cycle."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.jobs import Fault
from rtl.dma.mover import Mover
from rtl.params import DmaParams
from sim.streams import collect, send

from .parts import Reads, Writes, netlist

SHAPES = {
    "smallest": {"data_width": 32, "addr_width": 32, "reads_in_flight": 1, "max_beats": 2},
    "default": {"reads_in_flight": 16},
    "odd": {"data_width": 128, "addr_width": 40, "reads_in_flight": 2, "max_beats": 256},
}
SOURCES, TARGETS = 0x2000, 0x8000


def source(at: int) -> int:
    return (at ^ at >> 8) * 37 & 0xFF


def model(jobs) -> dict[int, int]:
    """Bytes that copies (src, dst, size) and fills (pattern, dst, size) leave."""
    data = {}
    for is_fill, src, dst, size in jobs:
        for k in range(size):
            data[dst + k] = src >> 8 * (k % 8) & 0xFF if is_fill else source(src + k)
    return data


def run(bench, shape, jobs, *, stall=0.0, latency=1, seed=0, fail=None):
    """Do ``jobs`` (is a fill, src or pattern, dst, size); return when each burst was written."""
    params = DmaParams(**SHAPES[shape])
    width = params.data_width // 8
    dut = Mover(params, label=8, fill=True)
    this = bench(dut, timeout=20_000)
    reads = Reads(dut.reads, lambda addr: (
        int.from_bytes(map(source, range(addr, addr + width)), "little"), Resp.OKAY),
        latency=latency, stall=stall, seed=seed)
    writes = Writes(dut.writes, lambda addr: Resp.SLVERR if addr == fail else Resp.OKAY,
                    latency=latency, stall=stall, seed=seed + 1)
    this.background(reads.serve)
    this.background(writes.serve)
    acked = []

    @this.background
    async def front(ctx):
        await send(ctx, dut.jobs, [
            {"src": src, "dst": dst, "span": size - 1, "label": k % 256, "fill": is_fill}
            for k, (is_fill, src, dst, size) in enumerate(jobs)], stall=stall, seed=seed + 2)

    @this.background
    async def watch(ctx):
        acked.clear()
        now = 0
        async for _, _, ack in ctx.tick().sample(dut.acked):
            now += 1
            if ack:
                acked.append(now)

    @this.background
    async def entries(ctx):
        got = await collect(ctx, dut.entries, len(jobs), stall=stall, seed=seed + 3)
        assert [(entry.label, entry.fault) for entry in got] == [
            (k % 256, Fault.NONE) for k in range(len(jobs))]

    @this.testbench
    async def ends(ctx):
        whole = len(jobs) if fail is None else next(
            k for k, job in enumerate(jobs) if job[2] <= fail < job[2] + job[3])
        got = await collect(ctx, dut.finished, whole + (fail is not None), stall=stall,
                            seed=seed + 4)
        assert [end.fault for end in got[:whole]] == [Fault.NONE] * whole
        if fail is not None:
            assert (got[-1].fault, got[-1].addr, got[-1].write) == (Fault.DMA_SLV, fail, 1)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.busy)

    this.run()
    if fail is None:
        assert writes.data == model(jobs)
    asked = sum(beats for _, beats in reads.log)
    right = sum((src + size - 1) // width - src // width + 1
                for is_fill, src, _, size in jobs if not is_fill)
    assert asked <= right if fail is not None else asked == right, "a fill needs no reads"
    return acked


@st.composite
def works(draw):
    """Copies and fills whose targets are disjoint."""
    jobs, free = [], TARGETS
    for _ in range(draw(st.integers(1, 6))):
        size = draw(st.one_of(st.integers(1, 40), st.integers(1, 600)))
        free += draw(st.integers(0, 20))
        is_fill = draw(st.booleans())
        src = draw(st.integers(0, 2**64 - 1)) if is_fill else SOURCES + draw(st.integers(0, 200))
        jobs.append((is_fill, src, free, size))
        free += size
    return jobs


@pytest.mark.parametrize("shape", SHAPES)
@given(jobs=works(), stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 15]),
       seed=st.integers(0, 99))
@settings(max_examples=12)
def test_matches_model(bench, shape, jobs, stall, latency, seed):
    run(bench, shape, jobs, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("is_fill", [False, True])
def test_write_refused(bench, is_fill):
    jobs = [(is_fill, SOURCES + 64 * k, TARGETS + 64 * k, 64) for k in range(6)]
    run(bench, "default", jobs, fail=TARGETS + 128, latency=9)


@pytest.mark.parametrize("is_fill", [False, True])
@pytest.mark.parametrize("offsets, beats", [((0, 0), 1), ((3, 5), 2)])
def test_pace(bench, is_fill, offsets, beats):
    """Eight bytes take as many cycles as the beats that hold them."""
    jobs = [(is_fill, SOURCES + 8 * k + offsets[0], TARGETS + 16 * k + offsets[1], 8)
            for k in range(40)]
    acked = run(bench, "default", jobs)
    assert [after - before for before, after in pairwise(acked[10:])] == [beats] * 29


def test_last_byte_of_memory(bench):
    """A fill whose pattern would be no address, up to the highest address."""
    run(bench, "smallest", [(True, (1 << 64) - 1, (1 << 32) - 13, 13)])


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape, fill):
    netlist(Mover(DmaParams(**SHAPES[shape]), label=8, fill=fill))
