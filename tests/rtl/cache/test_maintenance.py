"""Maintenance and Registers: commands, and what software reads."""

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.cache.layouts import Kind
from rtl.cache.maintenance import CommandSignature, Maintenance
from rtl.cache.registers import Registers
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheEdge, CacheMode
from sim.streams import collect

from .harness import SHAPES, Software

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
            "launched": In(1), "settled": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        connect(m, flipped(self.command), dut.command)
        connect(m, dut.steps, flipped(self.steps))
        m.d.comb += [
            dut.walk.working.eq(self.working), dut.walk.launched.eq(self.launched),
            dut.walk.settled.eq(self.settled),
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


class TestRegisters:
    def run(self, bench, program, params=SMALL):
        dut = Registers(params)
        this = bench(dut)
        dut.regs = dut.bus                  # where `Software` looks

        @this.testbench
        async def driver(ctx):
            self.starts, self.queued, self.taken = [], [], 0
            await program(ctx, dut, Software(ctx, dut))

        @this.background
        async def starts(ctx):
            async for *_, start, mode, whole, first, end in ctx.tick().sample(*(
                    getattr(dut.direct, name)
                    for name in ("start", "mode", "whole", "first", "end"))):
                if start:
                    self.starts.append((mode, whole, first, end))

        @this.background
        async def queue(ctx):
            async for *_, valid, new, taken in ctx.tick().sample(
                    dut.queued.valid & dut.queued.ready, dut.queued.payload,
                    dut.results.valid & dut.results.ready):
                if valid:
                    self.queued.append((new.mode, new.whole, new.edge, new.notify, new.tag,
                                        new.first, new.end))
                self.taken += taken

        this.run()

    @pytest.mark.parametrize("params, cap", [
        (SMALL, (1, 5, 2, 3, 4, 4)), (SHAPES["smallest"], (1, 4, 1, 1, 1, 1)),
        (SHAPES["long"], (1, 7, 8, 1, 4, 8)), (CacheParams(), (1, 6, 4, 6, 4, 4))])
    def test_cap(self, bench, params, cap):
        async def program(ctx, dut, software):
            names = ("version", "line_bytes_log2", "ways", "sets_log2", "misses", "commands")
            assert tuple([await software.read("cap", name) for name in names]) == cap

        self.run(bench, program, params)

    def test_command(self, bench):
        async def program(ctx, dut, software):
            await software.write64("start", 0x1_2345_6789)
            await software.write64("end", 0xFFFF_FFFF_FFFF_FFFF)
            await software.write("ctl", mode=1, whole=1)
            await software.write("ctl", enable=1, mode=2)
            await ctx.tick().repeat(2)
            assert self.starts == [(2, 0, 0x1_2345_6789, 2**64 - 1)]    # not without enable
            for busy in (1, 0):
                ctx.set(dut.direct.busy, busy)
                assert await software.read("ctl", "enable") == busy
            assert await software.read("ctl", "mode") == 2

        self.run(bench, program)

    def test_queue(self, bench):
        async def program(ctx, dut, software):
            await software.write64("start", 0x1_2345_6789)
            await software.write64("end", 0xFFFF_FFFF_FFFF_FFFF)
            ctx.set(dut.queued.ready, 1)
            ctx.set(dut.waiting, 3)
            await software.write("cmd", mode=1, whole=1, edge=2, notify=1, tag=77)
            await ctx.tick().repeat(2)
            assert self.queued == [(1, 1, 2, 1, 77, 0x1_2345_6789, 2**64 - 1)]
            assert await software.read("queue") == 3 and await software.read("status") == 0
            ctx.set(dut.working, 1)
            ctx.set(dut.queued.ready, 0)
            await software.write("cmd", mode=1)
            assert await software.read("queue") == 0x13
            assert await software.read("status") == 4               # it was full

        self.run(bench, program)

    def test_result(self, bench):
        async def program(ctx, dut, software):
            await software.write("irq_en", done=1)
            assert await software.read("result") == 0
            for tag in (5, 6):
                ctx.set(dut.results.payload, {
                    "tag": tag, "notify": 1, "refused": tag == 5, "error": tag == 6, "lines": 9,
                    "line": {"set": 3, "tag": 0x40_0000}})
                ctx.set(dut.results.valid, 1)
                await ctx.tick().repeat(2)
                assert ctx.get(dut.irq)
                await software.write("status", done=1)
                assert not ctx.get(dut.irq)
                assert await software.read("result") == 1 | (2 if tag == 5 else 4) | tag << 8
                assert await software.read("result_lines") == 9
                assert await software.read("result_addr") == (0x40_0000 * SETS + 3) * LINE
                assert await software.read("result_addr_msb") == 0
                for valid in (0, 1):
                    await software.write("result", valid=valid)
                    await ctx.tick().repeat(2)
                    assert self.taken == tag - 5 + valid
            ctx.set(dut.results.payload, {"notify": 0})         # no notice of this one
            await software.write("status", done=1)
            await software.write("result", valid=1)
            await ctx.tick().repeat(4)
            assert not ctx.get(dut.irq)

        self.run(bench, program)

    def test_counters(self, bench):
        async def program(ctx, dut, software):
            ctx.set(dut.events, {"read_hit": 1, "dropped": 2})
            await ctx.tick().repeat(3)
            ctx.set(dut.events, {"write_miss": 1, "read_miss": 1, "write_hit": 1})
            ctx.set(dut.evicted, 1)
            await ctx.tick().repeat(2)
            ctx.set(dut.events, {})
            ctx.set(dut.evicted, 0)
            ctx.set(dut.cleaned, 1)
            await ctx.tick()
            ctx.set(dut.cleaned, 0)
            assert await software.state() == {
                "status": 0, "err_addr": 0, "read_hits": 3, "read_misses": 2, "write_hits": 2,
                "write_misses": 2, "evictions": 2, "cleaned": 1, "invalidated": 6}

        self.run(bench, program)

    @pytest.mark.parametrize("name, line", [("refill_error", "refill_line"),
                                            ("write_error", "write_line"), ("refused", None)])
    def test_errors(self, bench, name, line):
        async def program(ctx, dut, software):
            port = dut.direct.refused if line is None else getattr(dut, name)
            for number in (5, 9):
                if line:
                    ctx.set(getattr(dut, line), {"set": number % SETS, "tag": number // SETS})
                ctx.set(port, 1)
                await ctx.tick()
                ctx.set(port, 0)
                await ctx.tick()
            state = await software.state()
            assert state["status"] == ["refill_error", "write_error", "refused"].index(name) + 1 \
                or state["status"] == 4
            assert state["err_addr"] == (5 * LINE if line else 0)
            assert not ctx.get(dut.irq)
            await software.write("irq_en", **{name: 1})
            assert ctx.get(dut.irq)
            await software.write("status", **{name: 1})
            assert not ctx.get(dut.irq)

        self.run(bench, program)


@pytest.mark.parametrize("component", [Maintenance, Registers])
@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(component, shape):
    rtlil.convert(component(SHAPES[shape]))
