"""What AxCACHE and parameters choose: write-through, random replacement."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.back import rtlil

from rtl.axi.signature import Resp
from rtl.cache.verdict import Verdict

from .harness import SHAPES, Setup

LINE = 32                                   # of the shape "small": 8 sets, 2 ways
IMAGE = Random(0).randbytes(1 << 12)
NEW = bytes(range(LINE))


def run(bench, program, params=SHAPES["small"], **kwargs):
    async def plain(ctx, cpu, software, memory):
        await program(cpu, software, memory)

    Setup(bench, params, image=IMAGE, **kwargs).run(plain)


@pytest.mark.parametrize("cache", [0b0110, 0b1010, 0b1110])
def test_write_through(bench, cache):
    """Reads are cached; a write is in memory when it is answered, with what was dirty there."""
    async def program(cpu, software, memory):
        assert (await cpu.load(0, LINE, cache=cache))[0] == IMAGE[:LINE]
        before = len(memory.log)
        assert (await cpu.load(8, 8, cache=cache))[0] == IMAGE[8:16]
        assert len(memory.log) == before
        assert await cpu.store(8, NEW[:8], cache=cache) is Resp.OKAY
        assert memory.data[:24] == IMAGE[:8] + NEW[:8] + IMAGE[16:24]
        assert (await cpu.load(0, 16, cache=cache))[0] == IMAGE[:8] + NEW[:8]
        await cpu.store(16, NEW[:8])        # write-back
        assert memory.data[16:24] == IMAGE[16:24]
        await cpu.store(24, NEW[:8], cache=cache)
        assert memory.data[:32] == IMAGE[:8] + NEW[:8] * 3

    run(bench, program)


@pytest.mark.parametrize("ways", [1, 2, 8])
def test_random_replacement(bench, ways):
    """Free ways first; then every way is chosen, and nothing is lost."""
    params = replace(SHAPES["small"], size_bytes=256 * ways, ways=ways, random=True)
    rtlil.convert(Verdict(params))

    async def program(cpu, software, memory):
        flat, random = bytearray(IMAGE), Random(1)
        assert await software.read("cap2", "random") == 1
        for way in range(ways):
            await cpu.load(way * 256, 8)
        assert await software.read("read_misses") == ways
        for way in range(ways):
            await cpu.load(way * 256, 8)
        assert await software.read("read_misses") == ways
        for _ in range(150):
            addr = random.randrange(16) * 256
            if random.random() < 0.5:
                flat[addr:addr + 8] = value = random.randbytes(8)
                await cpu.store(addr, value)
            else:
                assert (await cpu.load(addr, 8))[0] == flat[addr:addr + 8]
        hits = await software.read("read_hits") + await software.read("write_hits") - ways
        # By chance, a share of ways / 16 hits.
        assert abs(hits - 150 * ways / 16) < 30
        await software.maintain(2, whole=True)
        assert memory.data[:1 << 12] == flat

    run(bench, program, params)
