"""Read hits that overtake misses of other IDs."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.back import rtlil

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst, Resp
from rtl.cache.lanes import Lanes
from sim.streams import collect, get, put, send

from .harness import SHAPES, Setup, words

LINE = 32                                   # of the shape "small": 8 sets, 2 ways
IMAGE = Random(0).randbytes(1 << 12)
SMALL = replace(SHAPES["small"], overtake=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    for overtake in (False, True):
        rtlil.convert(Lanes(replace(SHAPES[shape], overtake=overtake)))


async def ask(ctx, port, addr, axid, beats=1, cache=CACHE_WRITE_BACK):
    await put(ctx, port.ar, {"addr": addr, "len": beats - 1, "size": 3, "burst": Burst.INCR,
                             "cache": cache, "id": axid})


def run(bench, program, params=SMALL, **kwargs):
    async def with_port(ctx, cpu, software, memory):
        await program(ctx, cpu, cpu._bus, software)

    this = Setup(bench, params, image=IMAGE, **kwargs)
    this.run(with_port)


@pytest.mark.parametrize("overtake", [False, True])
def test_a_hit_does_not_wait(bench, overtake):
    async def program(ctx, cpu, port, software):
        assert await software.read("cap2", "overtake") == overtake
        await cpu.load(0, LINE)
        await ask(ctx, port, 0x420, 1)      # a miss
        for word in range(4):               # hits, whole bursts and single words
            await ask(ctx, port, 8 * word, 2 + word % 2, 4 - word)
        await ask(ctx, port, 0, 1)          # one that must wait
        got = [await get(ctx, port.r) for _ in range(12)]
        order = [beat.id for beat in got]
        hits = [2] * 4 + [3] * 3 + [2] * 2 + [3]
        assert order == ([*hits, 1, 1] if overtake else [1, *hits, 1])
        misses = [beat.data for beat in got if beat.id == 1]
        assert misses == words(IMAGE[0x420:0x428] + IMAGE[:8], 8)

    run(bench, program, replace(SMALL, overtake=overtake), latency=60)


def test_stores_are_not_overtaken(bench):
    """A store that waits behind a miss, then a load of its word by another ID."""
    async def program(ctx, cpu, port, software):
        await cpu.load(0, LINE)
        await ask(ctx, port, 0x420, 1)
        await ctx.tick().repeat(4)
        await put(ctx, port.aw, {"addr": 8, "len": 0, "size": 3, "burst": Burst.INCR,
                                 "cache": CACHE_WRITE_BACK})
        await put(ctx, port.w, {"data": 7, "strb": 255, "last": 1})
        await ctx.tick().repeat(6)
        await ask(ctx, port, 8, 2)
        got = [await get(ctx, port.r) for _ in range(2)]
        assert [(beat.id, beat.data) for beat in got][1] == (2, 7)
        assert (await get(ctx, port.b)).resp is Resp.OKAY

    run(bench, program, latency=60)


@pytest.mark.parametrize("shape, latency", [("small", 2), ("odd", 25), ("long", 9), ("direct", 1)])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_order_of_each_id(bench, shape, latency, stall):
    """Many reads at once, of few lines and some that are not cached: right, in the order of IDs."""
    params = replace(SHAPES[shape], overtake=True)
    width, random = params.data_width // 8, Random(3)
    stride = params.sets * params.line_bytes
    todo = []
    for _ in range(250):
        beats = random.choice([1, 1, 2, params.beats])
        addr = random.randrange(params.line_bytes * 2 // width) * width
        addr += random.randrange(params.ways + 2) * stride % 2048
        todo.append({"addr": addr, "len": beats - 1, "size": width.bit_length() - 1,
                     "burst": Burst.INCR, "id": random.randrange(4),
                     "cache": CACHE_BYPASS if random.random() < 0.03 else CACHE_WRITE_BACK})
    total = sum(entry["len"] + 1 for entry in todo)
    this = Setup(bench, params, image=IMAGE, latency=latency, stall=stall)
    port = this.dut.cpu

    @this.bench.testbench
    async def addresses(ctx):
        await send(ctx, port.ar, todo, stall=stall)

    async def program(ctx, cpu, software, memory):
        got = await collect(ctx, port.r, total, stall=stall, seed=5)
        for axid in range(4):
            expected = [(word, beat == entry["len"]) for entry in todo if entry["id"] == axid
                        for beat, word in enumerate(words(
                            IMAGE[entry["addr"]:entry["addr"] + (entry["len"] + 1) * width],
                            width))]
            assert [(beat.data, beat.last) for beat in got if beat.id == axid] == expected

    this.run(program)
