"""Cache: what the CPU sees, one access after the other."""

from random import Random

import pytest
from amaranth.back import rtlil

from rtl.axi.signature import CACHE_BYPASS, Resp
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode

from .harness import SHAPES, Setup

SPACE = 1 << 12


@pytest.mark.parametrize("shape", SHAPES)
def test_flat_memory(bench, shape):
    """Random accesses, cached and not, see one memory; after a clean, memory holds it."""
    random = Random(shape)
    image = random.randbytes(SPACE)
    this = Setup(bench, shape, size=SPACE, image=image, latency=3)
    width = this.params.data_width // 8

    async def program(ctx, cpu, software, memory):
        flat = bytearray(image)
        random = Random(shape)
        for _ in range(100):
            beats = random.choice((1, 1, 1, 2, 4, 9))
            addr = random.randrange(SPACE // 4) & -width
            size = min(beats * width, SPACE - addr)
            attributes = {"cache": CACHE_BYPASS} if random.random() < 0.1 else {}
            if random.random() < 0.5:
                data, resps = await cpu.load(addr, size, **attributes)
                assert data == flat[addr:addr + size]
                assert set(resps) == {Resp.OKAY}
            else:
                flat[addr:addr + size] = data = random.randbytes(size)
                assert await cpu.store(addr, data, **attributes) is Resp.OKAY
        await software.maintain(CacheMode.CLEAN_SHARED, 0, SPACE)
        assert memory.data == flat

    this.run(program)


@pytest.mark.parametrize("params", [*SHAPES.values(), CacheParams()], ids=[*SHAPES, "default"])
def test_netlist(params):
    rtlil.convert(Cache(params))
