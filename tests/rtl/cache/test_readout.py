"""Readout and Stores: lines on their way to memory, and stores that they have to wait for."""

from collections import deque
from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.cache.layouts import Cause
from rtl.cache.readout import Readout
from rtl.cache.stores import Stores
from sim.streams import collect, send

from .harness import SHAPES

SMALL = SHAPES["small"]                     # 4 words of 8 bytes
LINES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1), st.sampled_from(list(Cause))),
                 min_size=1, max_size=6)


@settings(max_examples=20)
@given(lines=LINES, stall=st.sampled_from([0.0, 0.5]), grant=st.sampled_from([0.3, 1.0]))
def test_readout(bench, lines, stall, grant):
    """Every word once, in order, after its line was announced; none without room."""
    dut = Readout(SMALL)
    this = bench(dut)

    @this.testbench
    async def lookup(ctx):
        await send(ctx, dut.lines, [
            {"line": {"set": at, "tag": index}, "way": way, "cause": cause, "slot": 1 << index % 4}
            for index, (at, way, cause) in enumerate(lines)], stall=stall)

    @this.testbench
    async def write_back(ctx):
        for index, (at, way, cause) in enumerate(lines):
            (victim,) = await collect(ctx, dut.victims, 1, stall=stall, seed=index)
            assert (victim.line.set, victim.line.tag) == (at, index)
            assert (victim.way, victim.cause, victim.slot) == (way, cause, 1 << index % 4)

    @this.testbench
    async def data_array(ctx):
        random, told = Random(1), 0
        for number in range(4 * len(lines)):
            while True:
                ctx.set(dut.copies.ready, random.random() < grant)
                *_, taken, place, tells = await ctx.tick().sample(
                    dut.copies.valid & dut.copies.ready, dut.copies.payload,
                    dut.victims.valid & dut.victims.ready)
                told += tells
                ctx.set(dut.data, 1000 + number if taken else 7)
                if taken:
                    break
            at, way, _ = lines[number // 4]
            assert told > number // 4
            assert (place.set, place.way, place.word) == (at, way, number % 4)
        ctx.set(dut.copies.ready, 0)
        await ctx.tick()
        ctx.set(dut.data, 7)

    @this.testbench
    async def memory(ctx):
        beats = await collect(ctx, dut.w, 4 * len(lines), stall=stall)
        assert [beat.data for beat in beats] == [1000 + k for k in range(4 * len(lines))]
        assert [beat.last for beat in beats] == [0, 0, 0, 1] * len(lines)
        assert {beat.strb for beat in beats} == {255}

    this.run()


def test_a_word_a_cycle(bench):
    """Also from one line to the next."""
    dut = Readout(SMALL)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for port in (dut.victims, dut.copies, dut.w):
            ctx.set(port.ready, 1)
        ctx.set(dut.lines.valid, 1)
        valids = []
        for _ in range(16):
            *_, valid = await ctx.tick().sample(dut.w.valid)
            valids.append(valid)
        assert valids == [0, 0] + [1] * 14

    this.run()


@settings(max_examples=10)
@given(seed=st.integers(0, 99), depth=st.sampled_from([1, 2, 5]))
def test_stores(bench, seed, depth):
    dut = Stores(SMALL, depth)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        random, held = Random(seed), deque()
        for _ in range(80):
            place, asked = ((random.randrange(3), random.randrange(2)) for _ in range(2))
            offered = random.random() < 0.5
            done = bool(held) and random.random() < 0.4
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, {"set": place[0], "way": place[1]})
            ctx.set(dut.asked, {"set": asked[0], "way": asked[1]})
            ctx.set(dut.done, done)
            *_, ready, busy, none = await ctx.tick().sample(dut.i.ready, dut.busy, dut.none)
            assert ready == (len(held) < depth) and busy == (asked in held)
            assert none == (not held)
            if done:
                held.popleft()
            if offered and ready:
                held.append(place)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Readout(SHAPES[shape]))
    rtlil.convert(Stores(SHAPES[shape], 4))
