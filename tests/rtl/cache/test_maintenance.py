"""Maintenance and Registers: commands, and what software reads."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.cache.layouts import Kind
from rtl.cache.maintenance import Maintenance
from rtl.cache.registers import Registers
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode
from sim.streams import collect

from .harness import SHAPES, Software

SMALL = SHAPES["small"]                     # 8 sets, lines of 32 bytes, 32-bit addresses
LINE, SETS, TOP = 32, 8, 1 << 32
CLEAN, FLUSH, DROP = (CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE,
                      CacheMode.MAKE_INVALIDATE)


def model(mode, start, end, whole):
    """Requests: (line, mode) of single lines, or the bounds of a walk over the sets."""
    if whole:
        return [], None
    start, end = min(start, TOP), min(end, TOP)
    low, high, edges = start // LINE, -(-end // LINE), []
    if start == end:
        return [], ()
    if mode == DROP and start % LINE:
        edges, low = [(low, FLUSH)], low + 1
    if mode == DROP and end % LINE and low < high:
        edges, high = [*edges, (high - 1, FLUSH)], high - 1
    if high - low >= SETS:
        return edges, (low, high)
    return edges + [(line, mode) for line in range(low, high)], ()


ADDRESSES = st.one_of(st.integers(0, 20 * LINE), st.integers(TOP - 12 * LINE, TOP + 40),
                      st.integers(0, 2**64 - 1))


@settings(max_examples=40)
@given(mode=st.sampled_from([CLEAN, FLUSH, DROP]), ends=st.tuples(ADDRESSES, ADDRESSES),
       near=st.booleans(), whole=st.booleans(), stall=st.sampled_from([0.0, 0.5]))
def test_requests(bench, mode, ends, near, whole, stall):
    start, end = sorted(ends)
    if near:
        end = min(start + end % (12 * LINE), 2**64 - 1)
    edges, walk = model(mode, start, end, whole)
    dut = Maintenance(SMALL)
    this = bench(dut)
    count = len(edges) + (SETS if walk != () else 0)

    @this.testbench
    async def driver(ctx):
        command = dut.command
        for name, value in (("mode", mode.value), ("first", start), ("end", end), ("whole", whole),
                            ("start", 1)):
            ctx.set(getattr(command, name), value)
        assert not ctx.get(command.refused) and not ctx.get(command.busy)
        await ctx.tick()
        for name in ("mode", "first", "end", "whole", "start"):     # they need not stay
            ctx.set(getattr(command, name), 0)
        ctx.set(dut.walk.working, 1)
        got = await collect(ctx, dut.steps, count, stall=stall)
        for step, (line, line_mode) in zip(got, edges, strict=False):
            assert step.kind is Kind.LINE and CacheMode(step.mode) is line_mode
            assert step.line.set | step.line.tag << 3 == line
        for index, step in enumerate(got[len(edges):]):
            assert step.kind is Kind.SET and CacheMode(step.mode) is mode
            assert step.line.set == index and step.whole == whole
        if walk:
            assert (ctx.get(dut.walk.low), ctx.get(dut.walk.high)) == walk
        if count:
            assert ctx.get(command.busy)
        ctx.set(dut.walk.working, 0)
        await ctx.tick().until(~command.busy)
        assert not ctx.get(dut.steps.valid)

    this.run()


@pytest.mark.parametrize("mode, first, end, whole, refused", [
    (3, 0, 64, 0, 1), (3, 0, 64, 1, 1), (0, 64, 63, 0, 1), (0, 64, 63, 1, 0), (1, 2**63, 0, 0, 1),
    (2, 64, 64, 0, 0), (1, 7, 7, 0, 0)])
def test_refused(bench, mode, first, end, whole, refused):
    dut = Maintenance(SMALL)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for name, value in (("mode", mode), ("first", first), ("end", end), ("whole", whole)):
            ctx.set(getattr(dut.command, name), value)
        assert not ctx.get(dut.command.refused)
        ctx.set(dut.command.start, 1)
        assert ctx.get(dut.command.refused) == refused
        await ctx.tick()
        assert ctx.get(dut.command.busy) == (whole and not refused)

    this.run()


def test_busy_until_all_is_acknowledged(bench):
    """Looked up is not enough: every write-back must have been answered."""
    dut = Maintenance(SMALL)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.command.end, 2 * LINE)
        ctx.set(dut.command.start, 1)
        await ctx.tick()
        ctx.set(dut.command.start, 0)
        ctx.set(dut.walk.working, 1)
        await collect(ctx, dut.steps, 2)
        ctx.set(dut.walk.launched, 1)
        await ctx.tick().repeat(2)
        ctx.set(dut.walk.launched, 0)
        ctx.set(dut.walk.working, 0)
        for settled in (0, 1, 0, 0, 1):
            ctx.set(dut.walk.settled, settled)
            *_, busy = await ctx.tick().sample(dut.command.busy)
            assert busy
        ctx.set(dut.walk.settled, 0)
        await ctx.tick()
        assert not ctx.get(dut.command.busy)

    this.run()


def test_a_request_a_cycle(bench):
    dut = Maintenance(SMALL)
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

    this.run()


class TestRegisters:
    def run(self, bench, program, params=SMALL):
        dut = Registers(params)
        this = bench(dut)
        dut.regs = dut.bus                  # where `Software` looks

        @this.testbench
        async def driver(ctx):
            self.starts = []
            await program(ctx, dut, Software(ctx, dut))

        @this.background
        async def starts(ctx):
            async for *_, start, mode, whole, first, end in ctx.tick().sample(*(
                    getattr(dut.command, name)
                    for name in ("start", "mode", "whole", "first", "end"))):
                if start:
                    self.starts.append((mode, whole, first, end))

        this.run()

    @pytest.mark.parametrize("params, cap", [
        (SMALL, (1, 5, 2, 3, 4)), (SHAPES["smallest"], (1, 4, 1, 1, 1)),
        (SHAPES["long"], (1, 7, 8, 1, 4)), (CacheParams(), (1, 6, 4, 6, 4))])
    def test_cap(self, bench, params, cap):
        async def program(ctx, dut, software):
            names = ("version", "line_bytes_log2", "ways", "sets_log2", "misses")
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
                ctx.set(dut.command.busy, busy)
                assert await software.read("ctl", "enable") == busy
            assert await software.read("ctl", "mode") == 2

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
            port = dut.command.refused if line is None else getattr(dut, name)
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
