"""Packer: buffers share rows within a packet, all three outputs move together, faults end it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.jobs import Fault
from rtl.dma.packer import Packer
from rtl.params import StreamParams
from sim.streams import collect, send

from .parts import netlist, place

SHAPES = {"smallest": {"addr_width": 32, "data_width": 32}, "default": {},
          "odd": {"addr_width": 40, "data_width": 512}}


def run(bench, shape, todo, *, stall=0.0, seed=0):
    """Plan buffers (addr, size, eof, fault)."""
    params = StreamParams(**SHAPES[shape])
    bus, limit = params.data_width // 8, 1 << params.addr_width
    dut = Packer(params)
    this = bench(dut)
    entries, reads, parts, lane = [], [], [], 0
    for k, (addr, size, eof, fault) in enumerate(todo):
        if fault is Fault.NONE and addr + size > limit:
            fault = Fault.DMA_INT
        entries.append((k, size, eof, fault))
        if fault is not Fault.NONE:
            break
        end = lane + size
        rows = -(-end // bus) if eof else end // bus
        reads.append((addr, size - 1, {
            **place(addr, lane, size, bus), "head": lane, "open": not eof and end % bus > 0}))
        parts.append((rows == 0, rows - 1 if rows else None, (end - 1) % bus if eof else bus - 1,
                      eof))
        lane = 0 if eof else end % bus

    @this.background
    async def source(ctx):
        await send(ctx, dut.buffers, [
            {"addr": addr, "span": size - 1, "eof": eof, "desc": k, "sg": 1, "fault": fault}
            for k, (addr, size, eof, fault) in enumerate(todo)], stall=stall, seed=seed)

    @this.testbench
    async def read_side(ctx):
        for got, (addr, span, tag) in zip(await collect(
                ctx, dut.reads, len(reads), stall=stall, seed=1), reads, strict=True):
            assert (got.addr, got.span) == (addr, span)
            assert {name: getattr(got.tag, name) for name in tag} == tag

    @this.testbench
    async def part_side(ctx):
        for got, (none, length, tail, eof) in zip(await collect(
                ctx, dut.parts, len(parts), stall=stall, seed=2), parts, strict=True):
            assert (got.none, got.lanes.tail, got.eof) == (none, tail, eof)
            assert none or got.lanes.len == length

    @this.testbench
    async def ends(ctx):
        got = await collect(ctx, dut.entries, len(entries), stall=stall, seed=3)
        assert [(entry.label.desc, entry.label.note, entry.label.counts, entry.fault)
                for entry in got] == entries
        for stream in (dut.reads, dut.parts, dut.entries):
            ctx.set(stream.ready, 1)
        for _ in range(20):
            await ctx.tick()
            assert not ctx.get(dut.entries.valid)

    this.run()


@st.composite
def works(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
    limit = 1 << SHAPES[shape].get("addr_width", 64)
    addr = st.one_of(st.integers(0, limit - 1), st.integers(0, 300),
                     st.integers(1, 300).map(lambda k: limit - k))
    size = st.one_of(st.integers(1, 9), st.integers(1, 300), st.integers(1, (1 << 26) - 1))
    fault = st.sampled_from([Fault.NONE] * 9 + [Fault.SG_SLV])
    return shape, draw(st.lists(st.tuples(addr, size, st.booleans(), fault), min_size=1,
                                max_size=8))


@given(work=works(), stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 99))
def test_matches_model(bench, work, stall, seed):
    run(bench, *work, stall=stall, seed=seed)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(Packer(StreamParams(**SHAPES[shape])))
