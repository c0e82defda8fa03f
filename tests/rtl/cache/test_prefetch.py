"""The prefetcher: what it brings in, and what it leaves out."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.back import rtlil

from rtl.cache.cache import Cache
from rtl.cache.prefetch import Prefetch
from rtl.params import CacheParams
from sim.streams import get

from .harness import SHAPES, Setup

PARAMS = CacheParams(phys_bits=32, size_bytes=2048, ways=2, line_bytes=64, prefetch=3)
LINE, WORD = 64, 8
IMAGE = Random(0).randbytes(1 << 14)


@pytest.mark.parametrize("shape", ["smallest", "long"])
def test_netlist(shape):
    rtlil.convert(Prefetch(replace(SHAPES[shape], prefetch=8)))
    rtlil.convert(Cache(replace(SHAPES[shape], prefetch=1, snoop=1)))


@pytest.mark.parametrize("reads, asked", [
    ([0], []), ([0, 0], []), ([0, 1], [2, 3, 4]), ([0, 1, 2], [2, 3, 4, 5]), ([1, 0], []),
    ([0, 1, 2, 9, 10], [2, 3, 4, 5, 11, 12, 13]), ([60, 61], [62, 63]), ([62, 63, 64], []),
    ([63, 64, 65], [66, 67, 68]), ([5, 5, 6, 6, 7], [7, 8, 9, 10])])
def test_what_is_asked_for(bench, reads, asked):
    """Lines after two in sequence, each once, within the page (64 lines)."""
    dut = Prefetch(PARAMS)
    this = bench(dut)
    got = []

    @this.background
    async def lookup(ctx):
        got.clear()
        while True:
            step = await get(ctx, dut.steps)
            assert (step.silent, step.stream, step.last, step.write) == (1, 1, 1, 0)
            got.append(step.line.tag << PARAMS.set_bits | step.line.set)

    @this.testbench
    async def cpu(ctx):
        for line in reads:
            ctx.set(dut.line, {"set": line % PARAMS.sets, "tag": line // PARAMS.sets})
            ctx.set(dut.read, 1)
            await ctx.tick()
            ctx.set(dut.read, 0)
            await ctx.tick().repeat(10)
        assert got == asked

    this.run()


def test_what_is_offered_is_withdrawn(bench):
    """When a window comes to cover it: it is left out, also when the window goes again."""
    dut = Prefetch(PARAMS)
    this = bench(dut)

    @this.testbench
    async def cpu(ctx):
        for line in (0, 1):
            ctx.set(dut.line, {"set": line % PARAMS.sets, "tag": line // PARAMS.sets})
            ctx.set(dut.read, 1)
            await ctx.tick()
        ctx.set(dut.read, 0)
        await ctx.tick()
        assert ctx.get(dut.steps.valid)
        ctx.set(dut.windows[1].on, 1)       # from page 0 to page 0
        for on in (1, 0):
            ctx.set(dut.windows[1].on, on)
            for _ in range(5):
                await ctx.tick()
                assert not ctx.get(dut.steps.valid)

    this.run()


def run(bench, program, **fields):
    async def plain(ctx, cpu, software, memory):
        await program(ctx, cpu, software, memory)

    Setup(bench, replace(PARAMS, **fields), image=IMAGE, size=1 << 14, latency=4).run(plain)


@pytest.mark.parametrize("snoop", [0, 2])
def test_lines_are_there(bench, snoop):
    async def program(ctx, cpu, software, memory):
        for line in range(2):
            await cpu.load(line * LINE, WORD)
        await ctx.tick().repeat(60)
        assert [entry[2] for entry in memory.log] == [line * LINE for line in range(5)]
        for line in range(1, 30):           # goes on, and every word is right
            data, _ = await cpu.load(line * LINE, LINE)
            assert data == IMAGE[line * LINE:(line + 1) * LINE]
        assert await software.read("read_misses") == 2
        assert await software.read("cap2", "prefetch") == 3

    run(bench, program, snoop=snoop, snoop_id_width=4)


def test_guarded_page_stays_out(bench):
    """Guarded while the stream is in it: no more lines of it come."""
    async def program(ctx, cpu, software, memory):
        for line in range(4):
            await cpu.load(line * LINE, WORD)
        await ctx.tick().repeat(60)
        await software.write("guard0_last", page=0)
        await software.write("guard0", on=1, page=0)
        before = len(memory.log)
        for line in range(4, 12):
            await cpu.load(line * LINE, WORD)
        assert [entry[2:4] for entry in memory.log[before:]] == [
            (line * LINE, 1) for line in range(4, 12)]
        await software.write("guard0", on=0, page=0)

    run(bench, program)


def test_errors_ahead_are_told_to_nobody_but_status(bench):
    async def program(ctx, cpu, software, memory):
        memory.fail(3 * LINE, 4 * LINE, "r")
        for line in range(3):
            data, resps = await cpu.load(line * LINE, LINE)
            assert data == IMAGE[line * LINE:(line + 1) * LINE] and set(resps) == {resps[0]}
        assert await software.read("status", "refill_error")
        memory.heal()
        data, _ = await cpu.load(3 * LINE, LINE)
        assert data == IMAGE[3 * LINE:4 * LINE]

    run(bench, program)
