"""Commands: one after the other, a direct one first, and a result for each that was queued."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.cache.commands import Commands
from rtl.spec.cache_regs import CacheEdge, CacheMode
from sim.streams import collect, put, send

from .harness import SHAPES

SMALL = SHAPES["small"]
QUEUED = st.lists(st.fixed_dictionaries({
    "mode": st.integers(0, 2), "edge": st.sampled_from(list(CacheEdge)), "whole": st.integers(0, 1),
    "first": st.integers(0, 2**64 - 1), "end": st.integers(0, 2**64 - 1),
    "notify": st.integers(0, 1)}), min_size=1, max_size=9)


@settings(max_examples=20)
@given(todo=QUEUED, stall=st.sampled_from([0.0, 0.8]), seed=st.integers(0, 99))
def test_results(bench, todo, stall, seed):
    """In order; what happens while a command is under way is counted for it."""
    dut = Commands(SMALL)
    this = bench(dut)
    happened = []

    @this.testbench
    async def software(ctx):
        await send(ctx, dut.queued, [command | {"tag": tag} for tag, command in enumerate(todo)])

    @this.background
    async def maintenance(ctx):
        random, command = Random(seed), dut.command
        while True:
            refused = random.random() < 0.2
            ctx.set(command.refused, refused)
            found = await ctx.tick().sample(
                command.mode, command.edge, command.whole, command.first, command.end).until(
                    command.start)
            expected = todo[len(happened)]
            assert list(found) == [expected[name] for name in ("mode", "edge", "whole", "first",
                                                               "end")]
            lines, bad = 0, []
            for cycle in range(0 if refused else random.randrange(6)):
                ctx.set(command.busy, 1)
                cleaned = cycle > 0 and random.random() < 0.5
                spoiled = cycle > 0 and not cleaned and random.random() < 0.5
                ctx.set(dut.cleaned, cleaned)
                ctx.set(dut.spoiled, spoiled)
                at = random.randrange(99)
                ctx.set(dut.line, {"set": at % 8, "tag": at // 8})
                await ctx.tick()
                lines, bad = lines + cleaned, bad + [at] * spoiled
            for port in (command.busy, dut.cleaned, dut.spoiled):
                ctx.set(port, 0)
            happened.append((refused, lines, bad))

    @this.testbench
    async def read(ctx):
        for tag, got in enumerate(await collect(ctx, dut.results, len(todo), stall=stall)):
            refused, lines, bad = happened[tag]
            assert (got.tag, got.notify, got.refused) == (tag, todo[tag]["notify"], refused)
            assert (got.lines, got.error) == (lines, bool(bad))
            assert not bad or got.line.set + 8 * got.line.tag == bad[0]

    this.run()


def test_room(bench):
    """No command begins without room for its result; direct ones have none, and go first."""
    dut = Commands(SMALL)
    this = bench(dut)
    started = []

    @this.background
    async def maintenance(ctx):
        while True:
            (mode,) = await ctx.tick().sample(dut.command.mode).until(dut.command.start)
            started.append(CacheMode(mode))
            ctx.set(dut.command.busy, 1)
            await ctx.tick().repeat(5)
            ctx.set(dut.command.busy, 0)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.direct.mode, CacheMode.MAKE_INVALIDATE)
        for _ in range(8):
            await put(ctx, dut.queued, {"mode": CacheMode.CLEAN_SHARED})
        await ctx.tick().repeat(40)
        assert started == [CacheMode.CLEAN_SHARED] * 4
        assert ctx.get(dut.level) == 4 and not ctx.get(dut.queued.ready)
        for name in ("while nothing is under way", "while something is"):
            ctx.set(dut.direct.start, 1)
            await ctx.tick()
            ctx.set(dut.direct.start, 0)
            assert ctx.get(dut.direct.busy), name
            if name == "while nothing is under way":
                await ctx.tick().until(~dut.direct.busy)
                assert started[4:] == [CacheMode.MAKE_INVALIDATE]
                await collect(ctx, dut.results, 2)
                await ctx.tick().repeat(3)
        await ctx.tick().until(~dut.direct.busy)
        assert started[5:] == [CacheMode.CLEAN_SHARED, CacheMode.MAKE_INVALIDATE]
        await ctx.tick().repeat(20)
        assert started[7:] == [CacheMode.CLEAN_SHARED]
        assert ctx.get(dut.level) == 2

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Commands(SHAPES[shape]))
