"""Application words: out with packets, and into the descriptors in which packets end."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.app_words import AppReceiver, AppSender
from rtl.dma.app_writer import AppWriter
from rtl.params import StreamParams
from rtl.spec.axi_dma_regs import AXI_DMA_REGISTERS
from rtl.spec.descriptor import AxiDmaWord

from .parts import netlist
from .stream_harness import (
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

APPS = 20                               # bytes


def put(lists, places, random):
    """Give descriptors application words; return them."""
    words = [random.randbytes(APPS) for _ in places]
    for place, data in zip(places, words, strict=True):
        lists.write(place + AxiDmaWord.APP0, data)
    return words


async def switch(driver, *, on=1):
    await driver.write("options", app_words=on)


@pytest.mark.parametrize("shape", ["smallest", "own port", "odd", "widest"])
@given(seed=st.integers(0, 999), stall=st.sampled_from([0.0, 0.4]),
       latency=st.sampled_from([1, 20]))
@settings(max_examples=2)
def test_out(bench, shape, seed, stall, latency):
    """The words of each packet's first descriptor make a packet of the control stream."""
    random = Random(seed)
    todo = packets(random, most=4)
    dut, this, memory, lists = rig(bench, shape=shape, apps=True, stall=stall, latency=latency,
                                   seed=seed)
    parts = [part for packet in todo for part in packet]
    places = lay_out(lists, "mm2s", parts)
    words = put(lists, places, random)
    expected = [(0xA000_0000).to_bytes(4, "little") + word
                for part, word in zip(parts, words, strict=True) if part.sof]

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "mm2s", lists)
        cap = AXI_DMA_REGISTERS["cap"]["apps"]
        assert cap.get(await driver.read("cap")) == 1
        await switch(driver)
        await driver.start(places, irq_threshold=len(todo))
        assert "ioc_irq" in await driver.interrupt()

    @this.testbench
    async def data(ctx):
        got = await sink(ctx, dut.mm2s, len(todo), stall=stall, seed=seed)
        assert got == [b"".join(memory.read(part.addr, part.size) for part in packet)
                       for packet in todo]

    @this.testbench
    async def control(ctx):
        assert await sink(ctx, dut.cntrl, len(expected), stall=stall, seed=seed + 1) == expected

    this.run()


@pytest.mark.parametrize("shape", ["smallest", "own port", "odd", "widest"])
@given(seed=st.integers(0, 999), stall=st.sampled_from([0.0, 0.4]),
       latency=st.sampled_from([1, 20]))
@settings(max_examples=2)
def test_in(bench, shape, seed, stall, latency):
    """The words of each packet of the status stream are in the descriptor in which it ended."""
    random = Random(seed)
    sent = [random.randbytes(random.randint(1, 90)) for _ in range(4)]
    told = [random.randbytes(APPS) for _ in sent]
    dut, this, _, lists = rig(bench, shape=shape, apps=True, stall=stall, latency=latency,
                              seed=seed)
    parts = [Part(TARGETS + 0x100 * k + random.randint(0, 9), random.randint(20, 70))
             for k in range(16)]
    places = lay_out(lists, "s2mm", parts)
    before = put(lists, places, random)
    used = cut(sent, parts)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "s2mm", lists)
        await switch(driver)
        await driver.start(places, irq_threshold=len(sent))
        assert "ioc_irq" in await driver.interrupt()
        words = iter(told)
        for k, place in enumerate(places):
            ended = k < len(used) and used[k][2]
            assert lists.read(place + AxiDmaWord.APP0, APPS) == (next(words) if ended else
                                                                 before[k])
            if k < len(used):
                assert driver.result(place)["transferred"] == used[k][0]

    @this.testbench
    async def data(ctx):
        await source(ctx, dut.s2mm, sent, stall=stall, seed=seed)

    @this.testbench
    async def status(ctx):
        await source(ctx, dut.sts, [(0x5000_0000).to_bytes(4, "little") + word for word in told],
                     stall=stall, seed=seed + 1)

    this.run()


def test_off(bench):
    """Switched off, packets have none; a single transfer takes the words of its packet only."""
    dut, this, _, lists = rig(bench, apps=True)
    places = lay_out(lists, "s2mm", [Part(TARGETS, 64)])
    before = put(lists, places, Random(1))

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "s2mm", lists)
        await driver.start(places)
        assert "ioc_irq" in await driver.interrupt()
        assert lists.read(places[0] + AxiDmaWord.APP0, APPS) == before[0]
        await switch(driver)
        await driver.idle()
        await driver.pair("da", TARGETS)
        await driver.write("length", bytes=64)
        assert "ioc_irq" in await driver.interrupt()
        assert lists.read(places[0] + AxiDmaWord.APP0, APPS) == before[0]

    @this.testbench
    async def data(ctx):
        await source(ctx, dut.s2mm, [bytes(10), bytes(20)])

    @this.testbench
    async def status(ctx):
        await source(ctx, dut.sts, [bytes(24)])

    this.run()


@pytest.mark.parametrize("refused", [False, True])
def test_words_that_cannot_be_written(bench, refused):
    """It is an error of the descriptor."""
    dut, this, _, lists = rig(bench, apps=True)
    places = lay_out(lists, "s2mm", [Part(TARGETS, 64)])
    at = places[0] + AxiDmaWord.APP0
    lists.heal()
    lists.fail(at, at + APPS, "w", Resp.SLVERR, refused=refused)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "s2mm", lists)
        await switch(driver)
        await driver.start(places)
        status = await driver.interrupt()
        assert status.get("sg_slv_err") == 1 and status.get("err_refused", 0) == refused
        await driver.reset()

    @this.testbench
    async def data(ctx):
        await source(ctx, dut.s2mm, [bytes(10)])

    @this.testbench
    async def words(ctx):
        await source(ctx, dut.sts, [bytes(24)])

    this.run()


def test_reset_ends_packets_of_words(bench):
    """One that has begun ends; words that came for a packet that was dropped are forgotten."""
    dut, this, _, lists = rig(bench, apps=True)
    out = lay_out(lists, "mm2s", [Part(0x4000, 8, sof=True, eof=True)])
    back = lay_out(lists, "s2mm", [Part(TARGETS, 64)])
    first, second = put(lists, out * 2, Random(2))
    held = []

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "mm2s", lists)
        other = Driver(ctx, dut, "s2mm", lists)
        await switch(driver)
        await driver.start(out)
        await ctx.tick().until(dut.cntrl.t.valid)
        await driver.reset()
        held.append(1)
        await other.start(back)
        await ctx.tick().repeat(200)
        assert "ioc_irq" in await other.interrupt()
        assert lists.read(back[0] + AxiDmaWord.APP0, APPS) == first

    @this.testbench
    async def control(ctx):
        while not held:
            await ctx.tick()
        (got,) = await sink(ctx, dut.cntrl, 1)
        assert got == (0xA000_0000).to_bytes(4, "little") + second

    @this.testbench
    async def words(ctx):
        await source(ctx, dut.sts, [bytes(24)])             # dropped by the reset
        while not held:
            await ctx.tick()
        await source(ctx, dut.sts, [bytes(4) + first])
        await source(ctx, dut.s2mm, [bytes(9)])

    this.run()


@pytest.mark.parametrize("part", [
    AppSender(), AppReceiver(), AppWriter(StreamParams(apps=True)),
    AppWriter(StreamParams(apps=True, data_width=512))], ids=lambda part: type(part).__name__)
def test_netlist(part):
    netlist(part)
