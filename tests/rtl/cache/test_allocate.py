"""Commands that bring lines in: zero and prefetch."""

from dataclasses import replace
from random import Random

import pytest

from rtl.axi.signature import Resp
from rtl.spec.cache_regs import CacheCommand

from .harness import SHAPES, Setup

LINE = 32                                   # of the shape "small": 8 sets, 2 ways
IMAGE = Random(0).randbytes(1 << 12)
ZERO, PREFETCH, CLEAN = CacheCommand.ZERO, CacheCommand.PREFETCH, CacheCommand.CLEAN_SHARED
FINE = {"refused": 0, "error": 0, "lines": 0, "addr": 0}


def run(bench, program, shape="small", *, allocate=True, **kwargs):
    async def plain(ctx, cpu, software, memory):
        await program(cpu, software, memory)

    params = replace(SHAPES[shape], allocate=allocate)
    Setup(bench, params, image=IMAGE, **kwargs).run(plain)


@pytest.mark.parametrize("shape", SHAPES)
def test_zero(bench, shape):
    line, space = SHAPES[shape].line_bytes, SHAPES[shape].size_bytes * 2

    async def program(cpu, software, memory):
        zeroed = (IMAGE[:line] + bytes(space - line) + IMAGE[space:])[:1 << 12]
        await cpu.store(line, bytes(range(16)))
        await software.queue(ZERO, line, space)
        assert (await software.result())["error"] == 0
        assert await software.read("write_misses") == 1     # the CPU's own
        data, resps = await cpu.load(0, 16 * SHAPES[shape].data_width // 8)
        assert set(resps) == {Resp.OKAY} and data == zeroed[:len(data)]
        await software.maintain(CLEAN, whole=True)
        assert memory.data[:1 << 12] == zeroed

    run(bench, program, shape, latency=3)


def test_zero_stays_in_the_cache(bench):
    async def program(cpu, software, memory):
        await software.queue(ZERO, 0, 4 * LINE)
        assert await software.result() == FINE
        assert memory.data[:4 * LINE] == IMAGE[:4 * LINE]
        assert (await cpu.load(0, 4 * LINE))[0] == bytes(4 * LINE)
        assert await software.read("read_misses") == 0

    run(bench, program)


def test_zero_that_fails_is_told(bench):
    """A line that memory does not give, or one whose place cannot be made free."""
    async def program(cpu, software, memory):
        memory.fail(LINE, 2 * LINE, "r")
        await software.queue(ZERO, 0, 4 * LINE)
        assert await software.result() == FINE | {"error": 1, "addr": LINE}
        memory.heal()
        assert (await cpu.load(LINE, LINE))[0] == IMAGE[LINE:2 * LINE]
        assert (await cpu.load(2 * LINE, LINE))[0] == bytes(LINE)

    run(bench, program)


def test_prefetch(bench):
    async def program(cpu, software, memory):
        await cpu.store(3 * LINE, bytes(8))
        await software.queue(PREFETCH, 5, 4 * LINE + 1)     # five lines, in part
        assert await software.result() == FINE
        reads = len(memory.log)
        data, _ = await cpu.load(0, 5 * LINE)
        assert data == IMAGE[:3 * LINE] + bytes(8) + IMAGE[3 * LINE + 8:5 * LINE]
        assert len(memory.log) == reads
        assert await software.read("read_misses") == 0
        assert await software.read("read_hits") == 5

    run(bench, program)


def test_prefetch_that_fails_is_no_error(bench):
    async def program(cpu, software, memory):
        memory.fail(0, LINE, "r")
        await software.queue(PREFETCH, 0, 2 * LINE)
        assert await software.result() == FINE
        assert await software.read("status", "refill_error")
        memory.heal()
        assert (await cpu.load(0, LINE))[0] == IMAGE[:LINE]

    run(bench, program)


def test_guarded_lines_are_left_out(bench):
    async def program(cpu, software, memory):
        await software.write("guard0_last", page=0)
        await software.write("guard0", on=1, page=0)
        for mode, error in ((PREFETCH, 0), (ZERO, 1)):
            await software.queue(mode, 4096 - 2 * LINE, 4096 + LINE)
            assert await software.result() == FINE | {
                "error": error, "addr": error * (4096 - 2 * LINE)}
        assert [entry[2] for entry in memory.log] == [4096]
        assert memory.data[:1 << 12] == IMAGE

    run(bench, program)


def test_first_line_that_cannot_be_zeroed(bench):
    """It is the lowest, though that of the next page is known not to be earlier."""
    async def program(cpu, software, memory):
        await software.write("guard0_last", page=1)
        await software.write("guard0", on=1, page=1)
        memory.fail(4096 - LINE, 4096, "r")
        await software.queue(ZERO, 4096 - 4 * LINE, 4096 + LINE)
        assert await software.result() == FINE | {"error": 1, "addr": 4096 - LINE}

    run(bench, program, latency=9)


@pytest.mark.parametrize("fields", [
    {"mode": ZERO, "start": 8}, {"mode": ZERO, "end": LINE + 8}, {"mode": ZERO, "whole": 1},
    {"mode": PREFETCH, "whole": 1}, {"mode": PREFETCH, "start": 2 * LINE}, {"mode": 6}, {"mode": 7},
    {"mode": 3}])
def test_refused(bench, fields):
    async def program(cpu, software, memory):
        await software.queue(**{"start": 0, "end": LINE, **fields})
        assert await software.result() == FINE | {"refused": 1}
        await software.queue(PREFETCH, LINE, LINE)          # nothing
        assert await software.result() == FINE
        assert not memory.log

    run(bench, program)


def test_without_the_commands(bench):
    async def program(cpu, software, memory):
        assert await software.read("cap2", "allocate") == 0
        for mode in (ZERO, PREFETCH):
            await software.queue(mode, 0, LINE)
            assert await software.result() == FINE | {"refused": 1}

    run(bench, program, allocate=False)


@pytest.mark.parametrize("latency", [1, 20])
def test_cpu_beside_it(bench, latency):
    """The CPU's stores into lines that are being zeroed: before, or after, but whole."""
    params = replace(SHAPES["small"], allocate=True)

    async def program(ctx, cpu, software, memory):
        for round_ in range(8):
            await software.queue(ZERO, 0, 16 * LINE)
            for _ in range(round_):
                await ctx.tick()
            for line in range(16):
                await cpu.store(line * LINE + 8, bytes([line + 1]) * 8)
            assert await software.result() == FINE | {"lines": 0}
            for line in range(16):
                data, _ = await cpu.load(line * LINE, LINE)
                new = bytes([line + 1]) * 8
                assert data in (bytes(LINE), bytes(8) + new + bytes(16)), (round_, line)

    Setup(bench, params, image=IMAGE, latency=latency).run(program)
