"""Maintenance: from a command to requests."""

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.cache.layouts import Kind, LineLayout
from rtl.cache.maintenance import CommandSignature, Maintenance
from rtl.spec.cache_regs import CacheEdge, CacheMode
from sim.streams import collect

from .harness import SHAPES

SMALL = SHAPES["small"]                     # 8 sets, lines of 32 bytes, 32-bit addresses
LINE, SETS, TOP = 32, 8, 1 << 32
CLEAN, FLUSH, DROP = (CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE,
                      CacheMode.MAKE_INVALIDATE)


class Setting(wiring.Component):
    """The maintenance, and which groups of sets hold something: a bit each."""

    def __init__(self):
        self.dut = Maintenance(SMALL)
        super().__init__({"command": In(CommandSignature()), "steps": self.dut.signature.members[
            "steps"], "full": In(2, init=3), "dirty": In(2, init=3), "working": In(1),
            "launched": In(1), "settled": In(1), "again": In(1), "calm": In(1, init=1),
            "line": In(LineLayout(SMALL)), "single": In(1), "mode": In(CacheMode),
            "tried": In(SMALL.ways)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        connect(m, flipped(self.command), dut.command)
        connect(m, dut.steps, flipped(self.steps))
        m.d.comb += [
            dut.walk.working.eq(self.working), dut.walk.launched.eq(self.launched),
            dut.walk.settled.eq(self.settled), dut.walk.again.eq(self.again),
            dut.walk.line.eq(self.line), dut.walk.single.eq(self.single),
            dut.walk.mode.eq(self.mode), dut.walk.tried.eq(self.tried), dut.walk.calm.eq(self.calm),
            dut.walk.some_full.eq(self.full.bit_select(dut.walk.asked[2], 1)),
            dut.walk.some_dirty.eq(self.dirty.bit_select(dut.walk.asked[2], 1)),
        ]
        return m


def model(mode, start, end, whole, edge):
    """Requests: (line, mode) of single lines, the bounds of a walk, and first set and count."""
    if whole:
        return [], None, (0, SETS)
    start, end = min(start, TOP), min(end, TOP)
    low, high, edges = start // LINE, -(-end // LINE), []
    if start == end:
        return [], (), (0, 0)
    if mode == DROP and edge is not CacheEdge.ROUND_OUT:
        if start % LINE:
            edges, low = [(low, FLUSH)], low + 1
        if end % LINE and low < high:
            edges, high = [*edges, (high - 1, FLUSH)], high - 1
        if edge is CacheEdge.LEAVE:
            edges = []
    count = high - low
    return edges, (low, high), (low % SETS, count) if count < SETS else (0, SETS)


def visited(first, count, groups):
    """Sets that are looked at: those of groups that hold something."""
    return [at % SETS for at in range(first, first + count) if groups >> at % SETS // 4 & 1]


ADDRESSES = st.one_of(st.integers(0, 20 * LINE), st.integers(TOP - 12 * LINE, TOP + 40),
                      st.integers(0, 2**64 - 1))


@settings(max_examples=40)
@given(mode=st.sampled_from([CLEAN, FLUSH, DROP]), ends=st.tuples(ADDRESSES, ADDRESSES),
       near=st.booleans(), whole=st.booleans(), stall=st.sampled_from([0.0, 0.5]),
       full=st.integers(0, 3), dirty=st.integers(0, 3),
       edge=st.sampled_from([CacheEdge.FLUSH, CacheEdge.ROUND_OUT, CacheEdge.LEAVE]))
def test_requests(bench, mode, ends, near, whole, stall, full, dirty, edge):
    start, end = sorted(ends)
    if near:
        end = min(start + end % (12 * LINE), 2**64 - 1)
    edges, walk, which = model(mode, start, end, whole, edge)
    sets = visited(*which, dirty if mode == CLEAN else full)
    dut = Setting()
    this = bench(dut)
    count = len(edges) + len(sets)

    @this.testbench
    async def driver(ctx):
        command = dut.command
        for name, value in (("mode", mode.value), ("first", start), ("end", end), ("whole", whole),
                            ("edge", edge), ("start", 1)):
            ctx.set(getattr(command, name), value)
        assert not ctx.get(command.refused) and not ctx.get(command.busy)
        await ctx.tick()
        for name in ("mode", "first", "end", "whole", "start"):     # they need not stay
            ctx.set(getattr(command, name), 0)
        ctx.set(dut.working, 1)
        ctx.set(dut.full, full)
        ctx.set(dut.dirty, dirty)
        got = await collect(ctx, dut.steps, count, stall=stall)
        for step, (line, line_mode) in zip(got, edges, strict=False):
            assert step.kind is Kind.LINE and CacheMode(step.mode) is line_mode
            assert step.line.set | step.line.tag << 3 == line
        for at, step in zip(sets, got[len(edges):], strict=True):
            assert step.kind is Kind.SET and CacheMode(step.mode) is mode
            assert step.line.set == at and step.whole == whole
        if walk and sets:
            assert (ctx.get(dut.dut.walk.low), ctx.get(dut.dut.walk.high)) == walk
        if count:
            assert ctx.get(command.busy)
        ctx.set(dut.working, 0)
        await ctx.tick().until(~command.busy)
        assert not ctx.get(dut.steps.valid)

    this.run()


@pytest.mark.parametrize("mode, first, end, whole, edge, refused", [
    (3, 0, 64, 0, 0, 1), (3, 0, 64, 1, 0, 1), (0, 64, 63, 0, 0, 1), (0, 64, 63, 1, 0, 0),
    (1, 2**63, 0, 0, 0, 1), (2, 64, 64, 0, 0, 0), (1, 7, 7, 0, 0, 0), (1, 7, 64, 0, 3, 1),
    (1, 0, 65, 0, 3, 1), (0, 7, 7, 0, 3, 0), (1, 1, 65, 1, 3, 0), (1, 1, 64, 0, 2, 0)])
def test_refused(bench, mode, first, end, whole, edge, refused):
    dut = Setting()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for name, value in (("mode", mode), ("first", first), ("end", end), ("whole", whole),
                            ("edge", edge)):
            ctx.set(getattr(dut.command, name), value)
        assert not ctx.get(dut.command.refused)
        ctx.set(dut.command.start, 1)
        assert ctx.get(dut.command.refused) == refused
        await ctx.tick()
        assert ctx.get(dut.command.busy) == (not refused and (whole or first != end))

    this.run()


def test_busy_until_all_is_acknowledged(bench):
    """Looked up is not enough: every write-back must have been answered."""
    dut = Setting()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.command.end, 2 * LINE)
        ctx.set(dut.command.start, 1)
        await ctx.tick()
        ctx.set(dut.command.start, 0)
        ctx.set(dut.working, 1)
        await collect(ctx, dut.steps, 2)
        ctx.set(dut.launched, 1)
        await ctx.tick().repeat(2)
        ctx.set(dut.launched, 0)
        ctx.set(dut.working, 0)
        for settled in (0, 1, 0, 0, 1):
            ctx.set(dut.settled, settled)
            *_, busy = await ctx.tick().sample(dut.command.busy)
            assert busy
        ctx.set(dut.settled, 0)
        await ctx.tick()
        assert not ctx.get(dut.command.busy)

    this.run()


def test_a_request_a_cycle(bench):
    dut = Setting()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.steps.ready, 1)
        ctx.set(dut.command.end, 6 * LINE)
        ctx.set(dut.command.start, 1)
        await ctx.tick()
        ctx.set(dut.command.start, 0)
        valids = []
        for _ in range(9):
            *_, valid = await ctx.tick().sample(dut.steps.valid)
            valids.append(valid)
        assert valids == [0] + [1] * 6 + [0] * 2
        ctx.set(dut.full, 0)                # four sets in a cycle
        ctx.set(dut.command.whole, 1)
        ctx.set(dut.command.start, 1)
        await ctx.tick()
        ctx.set(dut.command.start, 0)
        busy = []
        for _ in range(5):
            *_, now, valid = await ctx.tick().sample(dut.command.busy, dut.steps.valid)
            busy.append(now)
            assert not valid
        assert busy == [1] * 3 + [0] * 2

    this.run()


def test_again(bench):
    """What could not be done comes again, before anything new; then only is the command done."""
    dut = Setting()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.command.end, 5 * LINE)
        ctx.set(dut.command.mode, FLUSH)
        ctx.set(dut.command.start, 1)
        await ctx.tick()
        ctx.set(dut.command.start, 0)
        ctx.set(dut.steps.ready, 1)
        (first,) = await ctx.tick().sample(dut.steps.p.line.set).until(dut.steps.valid)
        ctx.set(dut.steps.ready, 0)
        assert first == 0
        ctx.set(dut.single, 1)
        ctx.set(dut.mode, DROP)
        ctx.set(dut.tried, 2)
        ctx.set(dut.line, {"set": 6, "tag": 3})
        ctx.set(dut.again, 1)
        await ctx.tick()
        ctx.set(dut.again, 0)
        got = await collect(ctx, dut.steps, 3)
        assert got[0].line.set == 1                     # it was offered already, and stays
        assert (got[1].kind, got[1].mode, got[1].line.set, got[1].line.tag) == (
            Kind.LINE, DROP.value, 6, 3)
        assert [step.tried for step in got] == [0, 2, 0]
        assert (got[2].kind, got[2].mode, got[2].line.set) == (Kind.SET, FLUSH.value, 2)
        ctx.set(dut.calm, 0)
        for _ in range(5):
            *_, valid = await ctx.tick().sample(dut.steps.valid)
            assert not valid
        ctx.set(dut.calm, 1)
        ctx.set(dut.working, 1)
        assert [step.line.set for step in await collect(ctx, dut.steps, 2)] == [3, 4]
        ctx.set(dut.again, 1)
        ctx.set(dut.single, 0)
        await ctx.tick()
        ctx.set(dut.again, 0)
        ctx.set(dut.working, 0)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.command.busy)
        step = (await collect(ctx, dut.steps, 1))[0]
        assert (step.kind, step.line.set) == (Kind.SET, 6)
        await ctx.tick()
        assert not ctx.get(dut.command.busy)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Maintenance(SHAPES[shape]))
