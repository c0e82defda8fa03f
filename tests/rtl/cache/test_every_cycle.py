"""Cases gone through one by one: a store in every cycle of a command, a range at every offset."""

from random import Random

import pytest

from rtl.axi.signature import Resp
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheCommand, CacheMode

from .harness import Setup

LINE = 16
IMAGE = Random(0).randbytes(1 << 12)
NEW = bytes(range(1, LINE + 1))
PARAMS = CacheParams(phys_bits=32, size_bytes=128, ways=2, line_bytes=LINE, misses=2,
                     allocate=True)
LINES = range(1, 4)                         # that are dirty before the command
CLEAN, FLUSH, INVALIDATE = (CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE,
                            CacheMode.MAKE_INVALIDATE)


@pytest.mark.parametrize("mode", [*CacheMode, CacheCommand.ZERO])
def test_store_in_every_cycle_of_a_command(bench, mode):
    """It is done before its line's turn or after it, and what else was in the line is not lost."""
    async def program(ctx, cpu, software, memory):
        start, end = LINES[0] * LINE, (LINES[-1] + 1) * LINE
        for cycle in range(64):
            for line in LINES:
                await cpu.store(line * LINE, NEW)
            at = LINES[cycle % len(LINES)] * LINE
            value, before = bytes([cycle + 100] * 8), memory.read(at, LINE)
            await software.queue(mode, start, end)
            for _ in range(cycle):
                await ctx.tick()
            assert await cpu.store(at, value) is Resp.OKAY
            result = await software.result()
            assert not result["error"] and not result["refused"]
            data, _ = await cpu.load(at, LINE)
            if mode in (CLEAN, FLUSH):
                assert data == value + NEW[8:], cycle
            else:                           # it was dropped, or came afterwards
                rest = bytes(LINE) if mode == CacheCommand.ZERO else before
                assert data in (rest, value + rest[8:]), cycle
                seen.add(data == rest)
            for line in LINES:
                await cpu.store(line * LINE, IMAGE[line * LINE:(line + 1) * LINE])
            await software.maintain(FLUSH, whole=True)
            assert memory.read(0, 8 * LINE) == IMAGE[:8 * LINE]

    seen = set()
    Setup(bench, PARAMS, image=IMAGE, latency=4).run(program)
    assert seen == (set() if mode in (CLEAN, FLUSH) else {True, False})


@pytest.mark.parametrize("ends", [
    pytest.param(range(LINE, 4 * LINE), marks=pytest.mark.deep, id="all"),
    pytest.param((2 * LINE - 1, 2 * LINE, 2 * LINE + 1, 3 * LINE), id="some")])
def test_range_at_every_offset(bench, ends):
    """Lines that an invalidation covers are dropped, those that it touches written back."""
    async def program(ctx, cpu, software, memory):
        for start in range(LINE, 2 * LINE):
            for end in {start, start + 1, *(end for end in ends if end >= start)}:
                for line in LINES:
                    await cpu.store(line * LINE, NEW)
                await software.queue(INVALIDATE, start, end)
                lines = (await software.result())["lines"]
                touched = [line for line in LINES if start < end and line * LINE < end
                           and start < (line + 1) * LINE]
                covered = [line for line in touched
                           if start <= line * LINE and (line + 1) * LINE <= end]
                assert lines == len(touched) - len(covered), (start, end)
                for line in LINES:
                    held = memory.read(line * LINE, LINE)
                    image = IMAGE[line * LINE:(line + 1) * LINE]
                    assert held == (NEW if line in touched and line not in covered else image)
                    data, _ = await cpu.load(line * LINE, LINE)
                    assert data == (image if line in covered else NEW), (start, end, line)
                await software.maintain(INVALIDATE, whole=True)
                memory.data[:8 * LINE] = IMAGE[:8 * LINE]

    Setup(bench, PARAMS, image=IMAGE, timeout=2_000_000).run(program)
