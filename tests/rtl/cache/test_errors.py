"""Cache when memory answers with errors: who is told, what is kept, and that nothing hangs."""

from random import Random

import pytest

from rtl.axi.signature import CACHE_BYPASS, Resp
from rtl.spec.cache_regs import CacheMode

from .harness import Setup

LINE, STRIDE = 32, 256                      # of the shape "small": 8 sets, 2 ways
IMAGE = Random(0).randbytes(1 << 12)
NEW = bytes(range(LINE))
OK, BAD = Resp.OKAY, Resp.SLVERR


def run(bench, program, **kwargs):
    Setup(bench, image=IMAGE, size=1 << 12, **kwargs).run(program)


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("bad", range(4))
def test_refill_error_on_any_beat(bench, bad, first):
    """IOb-Cache never reported one, HPDcache only one on the last beat."""
    async def program(ctx, cpu, software, memory):
        memory.fail(8 * bad, 8 * bad + 1, "r")
        data, resps = await cpu.load(8 * first, 8 * (4 - first))
        assert resps == [BAD if word == bad else OK for word in range(first, 4)]
        for word, resp in zip(range(first, 4), resps, strict=True):
            at = 8 * (word - first)
            assert resp is BAD or data[at:at + 8] == IMAGE[8 * word:8 * word + 8]
        for _ in range(8):                  # words that were not asked for come later
            await ctx.tick()
        assert await software.read("status") == 1
        assert await software.read("err_addr") == 0
        memory.heal()
        reads = sum(entry[1] == "r" for entry in memory.log)
        data, resps = await cpu.load(0, LINE)
        assert (data, resps) == (IMAGE[:LINE], [OK] * 4)
        assert sum(entry[1] == "r" for entry in memory.log) == reads + 1    # it was not kept

    run(bench, program)


@pytest.mark.parametrize("resp", [Resp.SLVERR, Resp.DECERR])
def test_store_whose_refill_fails(bench, resp):
    """The store is refused, and nothing else is lost."""
    async def program(ctx, cpu, software, memory):
        await cpu.store(STRIDE, NEW)        # same set
        memory.fail(24, 25, "r", resp)
        assert await cpu.store(0, bytes(8)) is resp
        memory.heal()
        assert (await cpu.load(STRIDE, LINE))[0] == NEW
        assert (await cpu.load(0, LINE))[0] == IMAGE[:LINE]
        await software.maintain(CacheMode.CLEAN_SHARED, whole=True)
        assert memory.data[STRIDE:STRIDE + LINE] == NEW
        assert memory.data[:STRIDE] == IMAGE[:STRIDE]

    run(bench, program)


def test_victim_that_cannot_be_written_back(bench):
    """What needed its place is not kept; the line stays, and is written back later."""
    async def program(ctx, cpu, software, memory):
        for way in (0, 1):
            await cpu.store(way * STRIDE, NEW)
        memory.fail(8, 9, "w")
        wanted, got = IMAGE[2 * STRIDE:2 * STRIDE + LINE], await cpu.load(2 * STRIDE, LINE)
        assert got == (wanted, [OK] * 4)        # memory gave it
        await ctx.tick().repeat(20)             # and then refuses the other
        assert await software.read("status") == 2
        assert await software.read("err_addr") == 0
        assert (await cpu.load(0, LINE))[0] == NEW
        # The next access takes the other way: one bad line does not close the set.
        data, resps = await cpu.load(2 * STRIDE, LINE)
        assert (data, resps) == (IMAGE[2 * STRIDE:2 * STRIDE + LINE], [OK] * 4) or BAD in resps
        assert await cpu.store(4 * STRIDE, NEW) in (OK, BAD)
        memory.heal()
        assert (await cpu.load(0, LINE))[0] == NEW
        await software.maintain(CacheMode.CLEAN_SHARED, whole=True)
        assert memory.data[:LINE] == memory.data[STRIDE:STRIDE + LINE] == NEW

    run(bench, program)


def test_command_tries_each_line_once(bench):
    """IOb-Cache tried without end. Both lines of a set fail, and the command is done all the same.
    """
    async def program(ctx, cpu, software, memory):
        for way in range(2):
            await cpu.store(way * STRIDE, NEW)
        memory.fail(0, 1 << 12, "w", BAD)
        for mode in (CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE):
            tries = len(memory.log)
            await software.queue(mode, whole=1)
            found = await software.result()
            assert found["error"] and found["lines"] == 0 and found["addr"] in (0, STRIDE)
            assert len(memory.log) == tries + 2
        memory.heal()
        await software.queue(CacheMode.CLEAN_INVALIDATE, whole=1)
        assert await software.result() == {"refused": 0, "error": 0, "lines": 2, "addr": 0}
        assert [memory.data[way * STRIDE:][:LINE] for way in range(2)] == [NEW] * 2

    run(bench, program)


@pytest.mark.parametrize("mode", [CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE])
@pytest.mark.parametrize("whole", [False, True])
def test_maintenance_that_cannot_write_back(bench, mode, whole):
    """HPDcache lost the data without a word; here the line stays, dirty, and status says so."""
    async def program(ctx, cpu, software, memory):
        for line in range(4):
            await cpu.store(line * LINE, NEW)
        memory.fail(2 * LINE, 2 * LINE + 1, "w", Resp.DECERR)
        await software.write("irq_en", write_error=1)
        await software.maintain(mode, 0, 4 * LINE, whole=whole)
        assert await software.read("status") == 2
        assert await software.read("err_addr") == 2 * LINE
        assert await software.read("cleaned") == 3
        assert await software.read("invalidated") == (0 if mode == CacheMode.CLEAN_SHARED else 3)
        assert ctx.get(this.dut.irq)
        await software.write("status", write_error=1)
        assert not ctx.get(this.dut.irq)
        assert (await cpu.load(2 * LINE, LINE))[0] == NEW
        memory.heal()
        await software.maintain(mode, 0, 4 * LINE, whole=whole)
        assert await software.read("status") == 0
        assert memory.data[:4 * LINE] == NEW * 4

    this = Setup(bench, image=IMAGE, size=1 << 12)
    this.run(program)


def test_uncached_access_to_a_line_that_cannot_be_written_back(bench):
    """It is refused, and memory does not see it."""
    async def program(ctx, cpu, software, memory):
        await cpu.store(LINE, NEW)
        memory.fail(LINE, LINE + 1, "w")
        writes = len(memory.log)
        assert await cpu.store(LINE - 8, bytes(24), cache=CACHE_BYPASS) is BAD
        _, resps = await cpu.load(LINE - 8, 24, cache=CACHE_BYPASS)
        assert resps == [BAD] * 3
        assert [entry[2] for entry in memory.log[writes:]] == [LINE] * 2    # write-backs only
        assert memory.data[LINE - 8:LINE] == IMAGE[LINE - 8:LINE]
        memory.heal()
        assert (await cpu.load(LINE, LINE))[0] == NEW
        data, resps = await cpu.load(LINE - 8, 24, cache=CACHE_BYPASS)
        assert (data, resps) == (IMAGE[LINE - 8:LINE] + NEW[:16], [OK] * 3)

    run(bench, program)


def test_uncached_error_is_passed_on(bench):
    """With its own beat, and without a trace in the status."""
    async def program(ctx, cpu, software, memory):
        memory.fail(16, 17, "rw", Resp.DECERR)
        _, resps = await cpu.load(0, LINE, cache=CACHE_BYPASS)
        assert resps == [OK, OK, Resp.DECERR, OK]
        assert await cpu.store(0, NEW, cache=CACHE_BYPASS) is Resp.DECERR
        assert await software.read("status") == 0

    run(bench, program)


def test_only_the_first_error_is_located(bench):
    async def program(ctx, cpu, software, memory):
        memory.fail(3 * LINE, 5 * LINE, "r")
        for line in (3, 4):
            await cpu.load(line * LINE, 8)
        assert await software.read("err_addr") == 3 * LINE
        await software.write("status", refill_error=1)
        await cpu.load(4 * LINE, 8)
        assert await software.read("err_addr") == 4 * LINE
        await software.maintain(3)
        assert await software.read("status") == 0b101

    run(bench, program)
