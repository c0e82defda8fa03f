"""Realigner: every byte in the row and the lane that its target has."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.realign import Realigner
from sim.streams import collect

from .parts import netlist, place

SHAPES = {"smallest": (4, 4), "default": (8, 16), "odd": (32, 8)}


def cut(copies, bus, seed):
    """Beats of all copies, and of each row the bytes that count, by lane."""
    random, beats, rows = Random(seed), [], []
    for src, dst, size in copies:
        where = place(src, dst, size, bus)
        source = {addr: random.randrange(256) for addr in
                  range(src // bus * bus, (src + size - 1) // bus * bus + bus)}
        words = range(src // bus, (src + size - 1) // bus + 1)
        beats += [{"data": sum(source[word * bus + k] << 8 * k for k in range(bus)),
                   "first": word == words[0], "last": word == words[-1], "place": where}
                  for word in words]
        mine = {}
        for k in range(size):
            mine.setdefault((dst + k) // bus, {})[(dst + k) % bus] = source[src + k]
        rows += [mine[word] for word in sorted(mine)]
    return beats, rows


def run(bench, shape, copies, *, stall=0.0, seed=0):
    bus, depth = SHAPES[shape]
    dut = Realigner(bus_bytes=bus, depth=depth)
    this = bench(dut)
    beats, rows = cut(copies, bus, seed)
    lag = []

    @this.testbench
    async def source(ctx):
        """Send a beat if its rows, and one that is being filled, have room."""
        random, made, taken, spent = Random(seed), 0, 0, 0
        for beat in beats:
            whole = 1 - (beat["first"] and beat["place"]["primes"]) + (
                beat["last"] and beat["place"]["spills"])
            while spent + whole - taken >= depth or random.random() < stall:
                ctx.set(dut.beats.valid, 0)
                _, _, ready, valid, done = await ctx.tick().sample(
                    dut.rows.ready, dut.rows.valid, dut.done)
                taken, made = taken + (ready & valid), made + done
            spent += whole
            ctx.set(dut.beats.payload, beat)
            ctx.set(dut.beats.valid, 1)
            _, _, ready, valid, done = await ctx.tick().sample(
                dut.rows.ready, dut.rows.valid, dut.done)
            taken, made = taken + (ready & valid), made + done
        ctx.set(dut.beats.valid, 0)
        for _ in range(3):
            _, _, done = await ctx.tick().sample(dut.done)
            made += done
        assert made == len(rows), "rows that were said to be done"

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.rows, len(rows), stall=stall, seed=seed + 1)
        for word, row in zip(got, rows, strict=True):
            assert {lane: word >> 8 * lane & 0xFF for lane in row} == row
        for _ in range(5):
            await ctx.tick()
            assert not ctx.get(dut.rows.valid), "a row too many"

    @this.background
    async def clock(ctx):
        cycle, came, done_at, shown = 0, None, None, None
        lag.clear()
        async for _, _, beat, done, row in ctx.tick().sample(
                dut.beats.valid, dut.done, dut.rows.valid):
            cycle += 1
            came = came or (cycle if beat else None)
            done_at = done_at or (cycle if done else None)
            if row and shown is None:
                shown = cycle
                lag.extend([done_at - came, shown - came])

    this.run()
    return lag


@st.composite
def works(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
    bus, _ = SHAPES[shape]
    addr, size = st.integers(0, 3 * bus), st.one_of(
        st.integers(1, 2 * bus), st.integers(1, 9 * bus))
    return shape, draw(st.lists(st.tuples(addr, addr, size), min_size=1, max_size=6))


@given(work=works(), stall=st.sampled_from([0.0, 0.3, 0.7]), seed=st.integers(0, 99))
def test_every_byte_in_its_lane(bench, work, stall, seed):
    run(bench, *work, stall=stall, seed=seed)


@pytest.mark.parametrize("rotate", range(8))
def test_latency(bench, rotate):
    assert run(bench, "default", [(0, rotate, 8 - rotate)]) == [1, 3]


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    bus, depth = SHAPES[shape]
    netlist(Realigner(bus_bytes=bus, depth=depth))


@pytest.mark.parametrize("depth", [2, 6])
def test_parameters(depth):
    with pytest.raises(ValueError, match=f"^Depth must be a power of two of at least 4 rows, "
                                         f"not {depth}$"):
        Realigner(bus_bytes=8, depth=depth)
