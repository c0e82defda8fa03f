"""Mistakes that other cache controllers made, each by its name, and what ours does."""

from random import Random

import pytest

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst, Resp
from rtl.spec.cache_regs import CacheMode
from sim.streams import get, put

from .harness import Setup, words

LINE = 32                                   # of the shape "small": 8 sets, 2 ways
STRIDE = 8 * LINE                           # from line to line of one set
IMAGE = Random(0).randbytes(1 << 12)
CLEAN, FLUSH, INVALIDATE = (CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE,
                            CacheMode.MAKE_INVALIDATE)
NEW = bytes(range(LINE))


def run(bench, program, **kwargs):
    Setup(bench, image=IMAGE, **kwargs).run(program)


def test_pl310_588369_clean_line_is_invalidated_too(bench):
    """Clean and invalidate of a line that is clean: there the invalidate was skipped."""
    async def program(ctx, cpu, software, memory):
        await cpu.load(0, LINE)
        await software.maintain(FLUSH, 0, LINE)
        memory.data[0:LINE] = NEW           # a device writes
        data, _ = await cpu.load(0, LINE)
        assert data == NEW

    run(bench, program)


def test_pl310_727915_store_during_background_flush(bench):
    """A store between the clean and the invalidate of a line: there it was lost."""
    async def program(ctx, cpu, software, memory):
        for round_ in range(12):
            for line in range(16):
                await cpu.store(line * LINE, NEW)
            await software.start(FLUSH, whole=round_ % 2)
            for _ in range(round_):
                await ctx.tick()
            for line in range(16):
                value = bytes([round_, line]) * 4
                await cpu.store(line * LINE + 8, value)
            while await software.read("ctl", "enable"):
                pass
            for line in range(16):
                data, _ = await cpu.load(line * LINE, LINE)
                assert data == NEW[:8] + bytes([round_, line]) * 4 + NEW[16:], (round_, line)

    run(bench, lambda *args: program(*args), latency=4)


def test_pl310_752271_every_victim_goes_to_its_own_address(bench):
    """Two line fills at once: there, the wrong line was evicted."""
    async def program(ctx, cpu, software, memory):
        flat = bytearray(IMAGE)
        for step in range(40):
            addr = (step % 5) * STRIDE + (step % 2) * LINE
            flat[addr:addr + 8] = value = bytes([step]) * 8
            await cpu.store(addr, value)
        written = [addr for _, kind, addr, beats, _ in memory.log if kind == "w" and beats == 4]
        assert all(addr % STRIDE in (0, LINE) for addr in written)
        await software.maintain(CLEAN, whole=True)
        assert memory.data[:1 << 12] == flat

    run(bench, program)


def test_pl310_753970_sync_does_not_slow_hits_down(bench):
    """Waiting for maintenance: there, it put an end to merging. Hits go on at their pace."""
    async def program(ctx, cpu, software, memory):
        for line in range(16):
            await cpu.store(line * LINE, NEW)
        start = memory.cycle
        for _ in range(8):
            await cpu.load(4 * LINE, LINE)
        alone = memory.cycle - start
        await software.start(CLEAN, whole=True)
        start = memory.cycle
        for _ in range(8):
            await cpu.load(4 * LINE, LINE)
        assert memory.cycle - start <= 2 * alone + 16
        assert await software.read("ctl", "enable")         # B has not come yet

    run(bench, program, latency=400)


def test_pl310_769419_acknowledged_store_reaches_memory(bench):
    """A store that was answered: there, it could stay in the store buffer for ever."""
    async def program(ctx, cpu, software, memory):
        assert await cpu.store(64, NEW) is Resp.OKAY
        await software.maintain(CLEAN, 64, 65)
        assert memory.data[64:64 + LINE] == NEW

    run(bench, program)


def test_flush_clears_dirty(bench):
    """HPDcache #56: a flushed line stayed dirty, and overwrote the device's data later."""
    async def program(ctx, cpu, software, memory):
        await cpu.store(0, NEW)
        await software.maintain(CLEAN, 0, LINE)
        memory.data[0:LINE] = bytes(LINE)
        for line in range(1, 4):            # evict it
            await cpu.load(line * STRIDE, LINE)
        assert memory.data[0:LINE] == bytes(LINE)

    run(bench, program)


def test_invalidate_drops_dirty_data(bench):
    """IOb-Cache: dirty bits survived the invalidate, and old data was written over the device's."""
    async def program(ctx, cpu, software, memory):
        await cpu.store(0, NEW)
        await software.maintain(INVALIDATE, 0, LINE)
        memory.data[0:LINE] = bytes(LINE)
        for line in range(4):
            data, _ = await cpu.load(line * STRIDE, LINE)
            assert data == memory.data[line * STRIDE:line * STRIDE + LINE]
        assert memory.data[0:LINE] == bytes(LINE)
        assert not [entry for entry in memory.log if entry[1] == "w"]

    run(bench, program)


@pytest.mark.parametrize("low, high", [(1, 0), (0, 1), (31, 33), (1, 31), (5, 70), (32, 63)])
def test_neighbours_in_the_edge_lines_are_kept(bench, low, high):
    """Make-invalidate of a range that shares its first and last line with other data."""
    async def program(ctx, cpu, software, memory):
        start, end = 2 * LINE + low, 4 * LINE + high
        for line in range(1, 7):
            await cpu.store(line * LINE, NEW)
        await software.maintain(INVALIDATE, start, end)
        flat = IMAGE[:LINE] + NEW * 6
        for line in range(1, 7):
            inside = start <= line * LINE and (line + 1) * LINE <= end
            data, _ = await cpu.load(line * LINE, LINE)
            assert data == (IMAGE if inside else flat)[line * LINE:(line + 1) * LINE], line

    run(bench, program)


@pytest.mark.parametrize("cached_first", [True, False])
def test_uncached_access_sees_dirty_line(bench, cached_first):
    """HPDcache #133, #135: a dirty line was not written back before an uncached access."""
    async def program(ctx, cpu, software, memory):
        await cpu.store(0, NEW)
        data, _ = await cpu.load(0, LINE, cache=CACHE_BYPASS)
        assert data == memory.data[0:LINE] == NEW
        await cpu.load(0, LINE)             # clean now
        await cpu.store(8, bytes(8), cache=CACHE_BYPASS)
        expected = NEW[:8] + bytes(8) + NEW[16:]
        assert memory.data[0:LINE] == expected
        data, _ = await cpu.load(0, LINE)
        assert data == expected

    run(bench, program)


def test_address_changes_while_not_ready(bench):
    """IOb-Cache: an access was captured with valid alone, and the next one overwrote it."""
    async def program(ctx, cpu, software, memory):
        port = cpu._bus
        for line in range(4):               # all misses, back to back
            await put(ctx, port.ar, {"addr": line * LINE, "len": 0, "size": 3,
                                     "burst": Burst.INCR, "cache": CACHE_WRITE_BACK})
        for line in range(4):
            beat = await get(ctx, port.r)
            assert beat.data == words(IMAGE[line * LINE:line * LINE + 8], 8)[0]

    run(bench, program, latency=9)


def test_write_whose_data_waits_for_a_read(bench):
    """A manager that copies: its write data comes only when the read behind it is answered."""
    async def program(ctx, cpu, software, memory):
        port = cpu._bus
        for cache in (CACHE_WRITE_BACK, CACHE_BYPASS):
            await put(ctx, port.aw, {"addr": 0x100, "len": 3, "size": 3, "burst": Burst.INCR,
                                     "cache": cache})
            data, _ = await cpu.read(0x200, 4)
            for index, word in enumerate(data):
                await put(ctx, port.w, {"data": word, "strb": 255, "last": index == 3})
            assert (await get(ctx, port.b)).resp is Resp.OKAY
            got, _ = await cpu.load(0x100, LINE)
            assert got == IMAGE[0x200:0x200 + LINE]

    run(bench, program)


@pytest.mark.parametrize("one_way", ["r", "w"])
def test_memory_with_a_single_port(bench, one_way):
    """Memory that takes no writes while it reads, or no reads while it writes: no deadlock."""
    async def program(ctx, cpu, software, memory):
        flat = bytearray(IMAGE)
        for step in range(24):              # each one evicts a dirty line
            addr = step * 7 % 16 * STRIDE % (1 << 12)
            flat[addr:addr + 8] = bytes([step]) * 8
            await cpu.store(addr, bytes([step]) * 8)
        await software.maintain(FLUSH, whole=True)
        assert memory.data[:1 << 12] == flat

    run(bench, program, one_way=one_way, latency=3)


def test_uncached_burst_reaches_memory_unchanged(bench):
    """Address, length, size, kind and attributes, even across lines."""
    async def program(ctx, cpu, software, memory):
        for addr, beats, size, burst in [(0x11A, 9, 1, Burst.INCR), (0x234, 8, 2, Burst.WRAP),
                                         (0x301, 5, 0, Burst.FIXED), (0x408, 14, 3, Burst.INCR)]:
            attributes = {"size": size, "burst": burst, "cache": 0b0001, "prot": 0b101, "qos": 3}
            await cpu.read(addr, beats, **attributes)
            payload = memory.log[-1][-1]
            assert (payload.addr, payload.len, payload.size, payload.burst) == (
                addr, beats - 1, size, burst)
            assert (payload.cache, payload.prot, payload.qos) == (1, 5, 3)

    run(bench, program)
