"""Registers: what software reads and writes."""

import pytest
from amaranth.back import rtlil

from rtl.cache.registers import Registers
from rtl.params import CacheParams

from .harness import SHAPES, Software

SMALL = SHAPES["small"]                     # 8 sets, lines of 32 bytes, 32-bit addresses
LINE, SETS = 32, 8


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

    def test_windows(self, bench):
        async def program(ctx, dut, software):
            assert await software.read("cap2") == 2
            for number, (first, last) in enumerate([(0x1_2345_6000, 0x1_2345_7000), (0, 0x5000)]):
                for name, addr in (("_last", last), ("", first)):
                    await software.write(f"guard{number}{name}_msb", page=addr >> 32)
                    fields = {} if name else {"on": 1}
                    await software.write(f"guard{number}{name}", page=addr >> 12 & 0xF_FFFF,
                                         **fields)
            await ctx.tick().repeat(2)
            assert [(window.on, window.first, window.last) for window in ctx.get(dut.windows)] == [
                (1, 0x1_2345_6, 0x1_2345_7), (1, 0, 5)]
            await software.write("guard1")
            await ctx.tick().repeat(2)
            assert [window.on for window in ctx.get(dut.windows)] == [1, 0]

        self.run(bench, program, CacheParams())

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


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Registers(SHAPES[shape]))
