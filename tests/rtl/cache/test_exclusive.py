"""Exclusive accesses: memory's monitor decides, whatever the cache holds; without one, OKAY."""

from dataclasses import replace
from itertools import product
from random import Random

import pytest

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Resp

from .harness import SHAPES, Setup, words

LINE = 32                                   # of the shape "small"
IMAGE = Random(0).randbytes(1 << 12)
NEW = bytes(range(LINE))
WRITE_THROUGH = 0b1110
KINDS = CACHE_WRITE_BACK, WRITE_THROUGH, CACHE_BYPASS


def run(bench, program, params="small", *, exclusive=True, **kwargs):
    Setup(bench, params, image=IMAGE, exclusive=exclusive, **kwargs).run(program)


def test_memory_with_a_monitor(bench):
    """EXOKAY of memory comes back; what the cache holds dirty is there before."""
    async def program(ctx, cpu, software, memory):
        for cache in KINDS:
            await cpu.store(0, NEW)
            data, resps = await cpu.load(8, 8, lock=1, id=3, cache=cache)
            assert data == NEW[8:16] and resps == [Resp.EXOKAY]
            assert await cpu.store(8, bytes(8), lock=1, id=3, cache=cache) is Resp.EXOKAY
            assert memory.data[:LINE] == NEW[:8] + bytes(8) + NEW[16:]
            assert await cpu.store(8, NEW[:8], lock=1, id=3, cache=cache) is Resp.OKAY
            assert memory.data[8:16] == bytes(8)
            assert [(payload.id, payload.lock) for *_, payload in memory.log[-3:]] == [(3, 1)] * 3
            data, _ = await cpu.load(0, LINE)
            assert data == memory.data[:LINE]

    run(bench, program)


def test_store_between(bench):
    """Whoever stores between the two, and wherever that store is then: it is not lost."""
    async def program(ctx, cpu, software, memory):
        for at, (who, between) in enumerate(product((1, 2), KINDS)):
            line, value = at * LINE, bytes([at + 1] * 8)
            await cpu.load(line, LINE)
            await cpu.load(line + 8, 8, lock=1, id=1)
            await cpu.load(line, LINE, id=2)
            await cpu.store(line + 8, value, id=who, cache=between)
            assert await cpu.store(line + 8, bytes(8), lock=1, id=1) is Resp.OKAY
            data, _ = await cpu.load(line, LINE)
            assert data == IMAGE[line:line + 8] + value + IMAGE[line + 16:line + LINE]

    run(bench, program)


def test_hart_that_was_overtaken(bench):
    """It read before the other one wrote. A third one's exclusive read makes it no better."""
    async def program(ctx, cpu, software, memory):
        for hart in (1, 2):
            assert (await cpu.load(8, 8, lock=1, id=hart))[1] == [Resp.EXOKAY]
        assert await cpu.store(8, NEW[:8], lock=1, id=2) is Resp.EXOKAY
        assert (await cpu.load(8, 8, lock=1, id=3))[0] == NEW[:8]
        assert await cpu.store(8, bytes(8), lock=1, id=1) is Resp.OKAY
        assert await cpu.store(8, NEW[8:16], lock=1, id=3) is Resp.EXOKAY

    run(bench, program)


def test_memory_without_a_monitor(bench):
    """OKAY says so, and the store is done all the same."""
    async def program(ctx, cpu, software, memory):
        for cache in KINDS:
            _, resps = await cpu.load(0, 8, lock=1, cache=cache)
            assert resps == [Resp.OKAY]
            assert await cpu.store(0, bytes([cache] * 8), lock=1, cache=cache) is Resp.OKAY
            assert memory.data[:8] == bytes([cache] * 8)

    run(bench, program, exclusive=False)


def test_burst_that_leaves_its_line(bench):
    """Ordinary, and OKAY says so; one that fills a line is exclusive."""
    async def program(ctx, cpu, software, memory):
        for size, resp in ((LINE, Resp.EXOKAY), (2 * LINE, Resp.OKAY)):
            data, resps = await cpu.load(0, size, lock=1)
            assert data == IMAGE[:size] and resps == [resp] * (size // 8)
            assert await cpu.store(0, IMAGE[:size], lock=1) is resp
            assert memory.log[-1][-1].lock == (size == LINE)

    run(bench, program)


def test_errors(bench):
    """Of memory, and of a line that cannot be written back: then memory is not asked."""
    async def program(ctx, cpu, software, memory):
        memory.fail(0, 8, "rw", Resp.DECERR)
        assert (await cpu.load(0, 8, lock=1))[1] == [Resp.DECERR]
        assert await cpu.store(0, NEW[:8], lock=1) is Resp.DECERR
        await cpu.store(64, NEW)
        memory.fail(64, 72, "w")
        before = len(memory.log)
        assert (await cpu.load(64, 8, lock=1))[1] == [Resp.SLVERR]
        assert [entry[1:4] for entry in memory.log[before:]] == [("w", 64, 4)]
        assert await cpu.store(64, NEW[:8], lock=1) is Resp.SLVERR
        assert (await cpu.load(64, LINE))[0] == NEW

    run(bench, program)


@pytest.mark.parametrize("shape, snoop", [("small", 0), ("small", 2), ("smallest", 0), ("odd", 3)])
def test_counting(bench, shape, snoop):
    """Harts count in one word, exclusively, and store beside it; nothing is lost or counted twice.

    So does a device at the snoop port, with an ID of its own at memory.
    """
    params = replace(SHAPES[shape], snoop=snoop, snoop_id_width=SHAPES[shape].id_width)
    width, harts = params.data_width // 8, range(2)
    counted, beside = [], bytearray(IMAGE[width:2 * width])

    async def count(manager, random, rounds, beside=None):
        seen = dict.fromkeys(harts if beside else [0])
        for _ in range(rounds):
            hart = random.choice(list(seen))
            if beside is not None and random.random() < 0.3:
                beside[:] = random.randbytes(width)
                await manager.write(width, words(bytes(beside), width), id=hart)
                assert (await manager.load(width, width))[0] == beside
            elif seen[hart] is None:
                data, resps = await manager.read(0, lock=1, id=hart)
                assert resps == [Resp.EXOKAY]
                seen[hart] = data[0]
            else:
                resp = await manager.write(0, [seen[hart] + 1], lock=1, id=hart)
                if resp is Resp.EXOKAY:
                    counted.append(seen[hart])
                seen[hart] = None

    async def program(ctx, cpu, software, memory):
        await count(cpu, Random(1), 80, beside)
        ended.append(cpu)
        while snoop and len(ended) < 2:
            await ctx.tick()
        await software.maintain(0, whole=True)
        start = int.from_bytes(IMAGE[:width], "little")
        assert sorted(counted) == list(range(start, start + len(counted)))
        assert len(counted) > 9
        assert memory.data[:2 * width] == (start + len(counted)).to_bytes(width, "little") + beside

    async def device(ctx, device, memory):  # begins first
        counted.clear()
        ended.clear()
        await count(device, Random(2), 40)
        ended.append(device)

    ended = []
    this = Setup(bench, params, image=IMAGE, exclusive=True, latency=4)
    this.run(program, *([device] if snoop else []))
    assert counted
