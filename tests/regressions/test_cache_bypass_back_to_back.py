"""Uncacheable bursts that follow each other at once must not start before the one ahead has ended.

The lookup is a pipeline; the second chunk was looked up while the first waited for its turn, and
overwrote its address.
"""

from rtl.axi.signature import CACHE_BYPASS, Burst, Resp
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from sim.axi import Memory
from sim.streams import get, put


def test_writes(bench):
    dut = Cache(CacheParams())
    this = bench(dut, timeout=2000)
    memory = Memory(dut.memory, size=1 << 12, latency=8).attach(this)
    bursts = 6

    @this.testbench
    async def addresses(ctx):
        for i in range(bursts):
            await put(ctx, dut.cpu.aw, {"addr": 64 * i, "len": 7, "size": 3, "burst": Burst.INCR,
                                        "cache": CACHE_BYPASS})

    @this.testbench
    async def words(ctx):
        for i in range(8 * bursts):
            await put(ctx, dut.cpu.w, {"data": i + 1, "strb": 0xFF, "last": i % 8 == 7})

    @this.testbench
    async def responses(ctx):
        for _ in range(bursts):
            assert (await get(ctx, dut.cpu.b)).resp is Resp.OKAY
        for i in range(8 * bursts):
            assert memory.read(8 * i, 8) == (i + 1).to_bytes(8, "little")

    this.run()
