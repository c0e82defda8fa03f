"""StreamDma: errors are told apart, stop one channel, lose nothing, and a reset recovers."""

import pytest

from rtl.axi.signature import Resp

from .stream_harness import CR, SOURCES, TARGETS, Driver, Part, lay_out, rig, sink, source

PACKET = bytes(range(200))


@pytest.mark.parametrize("shape", ["smallest", "default"])
@pytest.mark.parametrize("resp, bit", [(Resp.SLVERR, "slv"), (Resp.DECERR, "dec")])
@pytest.mark.parametrize("access", ["read data", "read descriptor", "write status"])
def test_mm2s_error(bench, shape, resp, bit, access):
    """Told apart, with its address; what came before is complete; the next packet is whole."""
    dut, this, memory, lists = rig(bench, shape=shape, latency=7)
    parts = [Part(SOURCES + 256 * k, 100, eof=True, sof=True) for k in range(3)]
    places = lay_out(lists, "mm2s", parts)
    low = {"read data": SOURCES + 256 + 64, "read descriptor": places[1],
           "write status": places[1] + 0x1C}[access]
    memory.fail(low, low + 4, access[0], resp)
    first, second, third = (memory.read(part.addr, part.size) for part in parts)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "mm2s", lists)
        await driver.start(places)
        status = await driver.interrupt()
        while "err_irq" not in status:
            status = await driver.interrupt()
        await driver.halted()
        status = await driver.status()
        assert f"{'dma' if access == 'read data' else 'sg'}_{bit}_err" in status
        assert await driver.read("err_addr") // 256 == low // 256
        assert await driver.read("curdesc") == places[1]
        assert driver.result(places[0]) == {"cmplt": 1, "transferred": 100}
        if access == "read data":
            assert driver.result(places[1])[f"dma_{bit}_err"] == 1
        assert driver.result(places[2]) == {}
        assert not CR["run"].get(await driver.read("cr"))
        memory.heal()
        await driver.reset()
        for place, part in zip(places, parts, strict=True):
            lists.data[place:place + 32] = part.image(place + 64)
        await driver.start(places[2:])
        assert "ioc_irq" in await driver.interrupt()

    @this.background
    async def device(ctx):
        assert await sink(ctx, dut.mm2s, 1) == [first]
        (then,) = await sink(ctx, dut.mm2s, 1)
        if access == "read data" and then != third:     # begun, and marked as cut off
            data, cut_off = then
            assert cut_off and second.startswith(data[:-1])
        elif access == "write status":
            assert then == second
        await sink(ctx, dut.mm2s, 99)

    this.run()


@pytest.mark.parametrize("shape", ["smallest", "default"])
@pytest.mark.parametrize("resp, bit", [(Resp.SLVERR, "slv"), (Resp.DECERR, "dec")])
@pytest.mark.parametrize("more", [False, True])
def test_s2mm_error(bench, shape, resp, bit, more):
    """A write that fails is told, even if the stream brings nothing more; reset recovers."""
    dut, this, memory, lists = rig(bench, shape=shape, latency=7)
    parts = [Part(TARGETS, 64), Part(TARGETS + 0x1000, 4096), Part(TARGETS + 0x3000, 64)]
    places = lay_out(lists, "s2mm", parts)
    memory.fail(TARGETS + 0x1000, TARGETS + 0x1200, "w", resp)

    @this.background
    async def device(ctx):
        await source(ctx, dut.s2mm, [PACKET[:64]])
        await source(ctx, dut.s2mm, [PACKET * (20 if more else 1)], last=more)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "s2mm", lists)
        await driver.start(places)
        status = await driver.interrupt()
        while "err_irq" not in status:
            status = await driver.interrupt()
        await driver.halted()
        assert f"dma_{bit}_err" in await driver.status()
        assert await driver.read("err_addr") == TARGETS + 0x1000
        assert await driver.read("curdesc") == places[1]
        assert driver.result(places[0]) == {"cmplt": 1, "transferred": 64, "sof": 1, "eof": 1}
        assert driver.result(places[1])[f"dma_{bit}_err"] == 1
        assert driver.result(places[2]) == {}
        memory.heal()
        await driver.reset()
        await driver.start(places[2:])
        await ctx.tick().repeat(50)
        assert "halted" not in await driver.status()

    this.run()
    assert memory.data[TARGETS:TARGETS + 64] == PACKET[:64]


@pytest.mark.parametrize("shape", ["smallest", "default"])
@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
@pytest.mark.parametrize("what", ["stale", "no bytes", "past the end"])
def test_bad_descriptor(bench, shape, channel, what):
    """The one before is complete, the one after is not touched; it halts, and reset recovers."""
    dut, this, _memory, lists = rig(bench, shape=shape, latency=3)
    base = SOURCES if channel == "mm2s" else TARGETS
    good = [Part(base + 128 * k, 64, eof=True, sof=True) for k in range(3)]
    limit = 1 << dut.bus.signature.addr_width
    parts = list(good)
    if what != "stale":
        parts[1] = Part(limit - 4, 0 if what == "no bytes" else 5)
    places = lay_out(lists, channel, parts)
    if what == "stale":
        lists.write(places[1], parts[1].image(places[2], status=1 << 31))

    @this.background
    async def device(ctx):
        if channel == "mm2s":
            await sink(ctx, dut.mm2s, 99)
        await source(ctx, dut.s2mm, [PACKET[:64]] * 5)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, channel, lists)
        await driver.start(places)
        status = await driver.interrupt()
        while "err_irq" not in status:
            status = await driver.interrupt()
        await driver.halted()
        assert ("sg_int_err" if what == "stale" else "dma_int_err") in await driver.status()
        assert await driver.read("curdesc") == places[1]
        assert driver.result(places[0])["transferred"] == 64
        assert driver.result(places[1]) == (
            {"cmplt": 1} if what == "stale" else
            {"cmplt": 1, "dma_int_err": 1, **({"transferred": 5} if channel == "mm2s" and
                                              what == "past the end" else {})})
        assert driver.result(places[2]) == {}
        await driver.pair("taildesc", places[2])        # halted: nothing starts
        await driver.write("cr", run=1)
        assert "halted" in await driver.status()
        await driver.reset()
        lists.data[places[1]:places[1] + 32] = good[1].image(places[2])
        await driver.start(places[1:], irq_threshold=2)
        assert "ioc_irq" in await driver.interrupt()
        assert driver.result(places[2])["transferred"] == 64

    this.run()
