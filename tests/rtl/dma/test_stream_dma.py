"""StreamDma: packets from and to memory, whole engine."""

from random import Random

import pytest
from amaranth.back import rtlil

from rtl.dma.stream_dma import StreamDma
from rtl.params import StreamParams

from .stream_harness import (
    SHAPES,
    SOURCES,
    TARGETS,
    Driver,
    Part,
    cut,
    lay_out,
    packets,
    rig,
    sink,
    source,
)


def run_out(bench, shape, todo, *, stall=0.0, seed=0, **memory_args):
    """Send packets, each a list of parts."""
    dut, this, memory, lists = rig(bench, shape=shape, stall=stall, seed=seed, **memory_args)
    parts = [part for packet in todo for part in packet]
    places = lay_out(lists, "mm2s", parts)
    expected = [b"".join(bytes(memory.image[part.addr:part.addr + part.size]) for part in packet)
                for packet in todo]

    @this.testbench
    async def device(ctx):
        assert await sink(ctx, dut.mm2s, len(todo), stall=stall, seed=seed) == expected

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "mm2s", lists)
        await driver.start(places, irq_threshold=len(todo))
        assert "ioc_irq" in await driver.interrupt()
        await driver.idle()
        for place, part in zip(places, parts, strict=True):
            assert driver.result(place) == {"cmplt": 1, "transferred": part.size}
        assert await driver.read("done_descs") == len(parts)
        assert await driver.read("curdesc") == places[-1]
        await ctx.tick().repeat(200)
        assert await driver.read("done_bytes") == sum(part.size for part in parts)

    this.run()
    assert memory.data[SOURCES:] == memory.image[SOURCES:]


#: Stalls, latencies and seeds of the random runs: each is one long list.
RUNS = [(0.0, 20, 1), (0.5, 1, 2)]


@pytest.mark.parametrize("stall, latency, seed", RUNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_mm2s_matches_model(bench, shape, stall, latency, seed):
    run_out(bench, shape, packets(Random(seed)), stall=stall, latency=latency, seed=seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("shape", SHAPES)
def test_mm2s_at_length(bench, shape, seed):
    random = Random(seed)
    run_out(bench, shape, packets(random), stall=random.choice([0.0, 0.1, 0.5, 0.8]),
            latency=random.choice([1, 16, 100]), seed=seed, timeout=400_000)


def run_in(bench, shape, sent, parts, *, stall=0.0, seed=0, **memory_args):
    """Receive packets into buffers, of which there are enough."""
    dut, this, memory, lists = rig(bench, shape=shape, stall=stall, seed=seed, **memory_args)
    places = lay_out(lists, "s2mm", parts)
    results = cut(sent, parts)
    image = bytearray(memory.image)
    for part, (_, _, _, data) in zip(parts, results, strict=False):
        image[part.addr:part.addr + len(data)] = data

    @this.background
    async def device(ctx):
        await source(ctx, dut.s2mm, sent, stall=stall, seed=seed)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "s2mm", lists)
        await driver.start(places, irq_threshold=len(sent))
        assert "ioc_irq" in await driver.interrupt()
        assert ("idle" in await driver.status()) == (len(results) == len(parts))
        for place, (size, sof, eof, _) in zip(places, results, strict=False):
            marks = {name: 1 for name, mark in (("sof", sof), ("eof", eof)) if mark}
            assert driver.result(place) == {"cmplt": 1, "transferred": size, **marks}
        for place in places[len(results):]:
            assert driver.result(place) == {}
        assert await driver.read("done_descs") == len(results)
        assert await driver.read("done_bytes") == sum(len(packet) for packet in sent)

    this.run()
    assert memory.data[SOURCES:] == image[SOURCES:]


def receipts(random):
    """Packets, and buffers that take them all."""
    sent = [random.randbytes(random.choice([random.randint(1, 20), random.randint(1, 300),
                                            *(64, 128, 256)])) for _ in range(10)]
    parts, free = [], TARGETS
    while len(cut(sent, parts)) == len(parts) and len(parts) < 120:
        room = random.choice([random.randint(1, 9), random.randint(1, 400), 64, 400])
        free += random.randint(0, 70) * random.randrange(2)
        if not random.randrange(8):             # around the end of a page
            free = max(free, (free | 4095) + 1 - random.randint(0, room + 3))
        parts.append(Part(free, room))
        free += room
    return sent, parts


@pytest.mark.parametrize("stall, latency, seed", RUNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_s2mm_matches_model(bench, shape, stall, latency, seed):
    run_in(bench, shape, *receipts(Random(seed)), stall=stall, latency=latency, seed=seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("shape", SHAPES)
def test_s2mm_at_length(bench, shape, seed):
    random = Random(seed)
    run_in(bench, shape, *receipts(random), stall=random.choice([0.0, 0.1, 0.5, 0.8]),
           latency=random.choice([1, 16, 100]), seed=seed, timeout=400_000)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(StreamDma(StreamParams(**SHAPES[shape])))


@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
def test_one_channel(channel):
    rtlil.convert(StreamDma(StreamParams(**{channel: False})))
