"""WriteData: strobes of the first and the last beat, and where bursts end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.write_data import WriteData
from sim.streams import collect, send

from .parts import netlist

SHAPES = {"smallest": (2, 4), "default": (16, 8), "odd": (64, 64)}


@st.composite
def works(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
    most, bus = SHAPES[shape]
    bursts = []
    for _ in range(draw(st.integers(1, 6))):
        beats = draw(st.integers(1, min(most, 5)))
        head = draw(st.integers(0, bus - 1))
        tail = draw(st.integers(head if beats == 1 else 0, bus - 1))
        bursts.append((beats, head, tail))
    return shape, bursts


@given(work=works(), stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 99))
def test_matches_model(bench, work, stall, seed):
    shape, bursts = work
    most, bus = SHAPES[shape]
    dut = WriteData(max_beats=most, bus_bytes=bus)
    this = bench(dut)
    expected = []
    for beats, head, tail in bursts:
        used = [head <= lane <= (beats - 1) * bus + tail for lane in range(beats * bus)]
        for k in range(beats):
            strobes = sum(use << lane for lane, use in enumerate(used[k * bus:(k + 1) * bus]))
            expected.append((len(expected) + 1, strobes, k == beats - 1))

    @this.testbench
    async def issue(ctx):
        await send(ctx, dut.bursts, [{"len": beats - 1, "head": head, "tail": tail}
                                     for beats, head, tail in bursts], stall=stall, seed=seed)

    @this.testbench
    async def fill(ctx):
        await send(ctx, dut.rows, [data for data, _, _ in expected], stall=stall, seed=seed + 1)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.w, len(expected), stall=stall, seed=seed + 2)
        assert [(beat.data, beat.strb, beat.last) for beat in got] == expected
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.w.valid)

    this.run()


def test_pace(bench):
    """A beat a cycle, from burst to burst too."""
    dut = WriteData(max_beats=16, bus_bytes=8)
    this = bench(dut)

    @this.background
    async def issue(ctx):
        await send(ctx, dut.bursts, [{"len": 1, "head": 0, "tail": 7}] * 4)

    @this.background
    async def fill(ctx):
        await send(ctx, dut.rows, range(8))

    @this.testbench
    async def sink(ctx):
        ctx.set(dut.w.ready, 1)
        await ctx.tick().until(dut.w.valid)
        for _ in range(7):
            _, _, valid = await ctx.tick().sample(dut.w.valid)
            assert valid

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    most, bus = SHAPES[shape]
    netlist(WriteData(max_beats=most, bus_bytes=bus))
