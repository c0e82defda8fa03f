"""StreamDma: both channels at once, cyclic lists, pause, reset; memory that stalls."""

from random import Random

import pytest

from sim.checked import Checked

from .stream_harness import SOURCES, TARGETS, Driver, Part, lay_out, rig, sink, source

PACKET = bytes(range(200))


@pytest.mark.parametrize("shape", ["smallest", "default"])
def test_both_at_once(bench, shape):
    """Round a loop, with both channels under way on one bus; a small buffer halts neither."""
    dut, this, memory, lists = rig(bench, shape=shape, latency=4, stall=0.2, seed=5)
    sent = [Part(SOURCES + 301 * k, 150 + k, eof=True, sof=True) for k in range(8)]
    room = [Part(TARGETS + 256 * k, 100) for k in range(20)]
    out, into = lay_out(lists, "mm2s", sent), lay_out(lists, "s2mm", room)
    data = [bytes(memory.image[part.addr:part.addr + part.size]) for part in sent]

    @this.background
    async def loop(ctx):
        random = Random(3)
        while True:
            go = random.random() < 0.7
            ctx.set(dut.mm2s.t.ready, go and ctx.get(dut.s2mm.t.ready))
            valid = go and ctx.get(dut.mm2s.t.valid)
            ctx.set(dut.s2mm.t.valid, valid)
            if valid:
                beat = ctx.get(dut.mm2s.t.payload)
                ctx.set(dut.s2mm.t.payload, {name: getattr(beat, name)
                                             for name in ("data", "keep", "last")})
            await ctx.tick()

    @this.testbench
    async def software(ctx):
        rx, tx = Driver(ctx, dut, "s2mm", lists), Driver(ctx, dut, "mm2s", lists)
        await rx.start(into, irq_threshold=len(sent))
        await tx.start(out, irq_threshold=len(sent))
        assert "ioc_irq" in await tx.interrupt()
        assert "ioc_irq" in await rx.interrupt()
        got = b"".join(memory.read(part.addr, rx.result(place).get("transferred", 0))
                       for place, part in zip(into, room, strict=True))
        assert got == b"".join(data)

    this.run()


@pytest.mark.parametrize("shape", ["smallest", "default"])
def test_cyclic(bench, shape):
    """Periods go out again and again, each with an interrupt, until reset."""
    dut, this, memory, lists = rig(bench, shape=shape, latency=5)
    periods = [Part(SOURCES + 100 * k, 100, eof=True, sof=True) for k in range(3)]
    places = lay_out(lists, "mm2s", periods)
    data = [memory.read(part.addr, 100) for part in periods]

    @this.testbench
    async def device(ctx):
        assert await sink(ctx, dut.mm2s, 8, stall=0.3) == (data * 3)[:8]
        ctx.set(dut.mm2s.t.ready, 1)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "mm2s", lists)
        await driver.pair("curdesc", places[0])
        await driver.run(cyclic_bd=1)
        await driver.pair("taildesc", 0x1FC0)
        for _ in range(4):
            assert "idle" not in await driver.interrupt()
        while await driver.read("done_descs") < 9:
            pass
        await driver.reset()
        assert await driver.read("done_descs") == 0
        assert "halted" in await driver.status()

    this.run()


def test_cyclic_without_packets(bench):
    """A stream that never ends fills periods, whose descriptors count for interrupts by EOF."""
    dut, this, memory, lists = rig(bench)
    periods = [Part(TARGETS + 60 * k, 60, eof=True) for k in range(4)]
    places = lay_out(lists, "s2mm", periods)
    sound = Random(4).randbytes(64) * 20

    @this.background
    async def device(ctx):
        await source(ctx, dut.s2mm, [sound], last=False)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "s2mm", lists)
        await driver.pair("curdesc", places[0])
        await driver.run(cyclic_bd=1)
        await driver.pair("taildesc", 0x3FC0)
        for _ in range(3):
            await driver.interrupt()
        while await driver.read("done_descs") < len(sound) // 60:
            pass
        assert driver.result(places[1]) == {"cmplt": 1, "transferred": 60}
        turns = len(sound) // 240
        assert memory.read(TARGETS, 240) == (sound[turns * 240:] + sound[(turns - 1) * 240:][
            len(sound) - turns * 240:])[:240] or len(sound) % 240

    this.run()


@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
def test_pause_and_resume(bench, channel):
    """It stops between bursts, keeps what is left, and goes on as if nothing had been."""
    dut, this, memory, lists = rig(bench, latency=12)
    base = SOURCES if channel == "mm2s" else TARGETS
    parts = [Part(base + 1000 * k, 1000, eof=True, sof=True) for k in range(3)]
    places = lay_out(lists, channel, parts)
    packets = [Random(k).randbytes(1000) for k in range(3)]
    data = [memory.read(part.addr, 1000) for part in parts]

    @this.background
    async def device(ctx):
        if channel == "mm2s":
            assert await sink(ctx, dut.mm2s, 3) == data
        else:
            await source(ctx, dut.s2mm, packets)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, channel, lists)
        await driver.start(places, irq_threshold=3)
        for _ in range(6):
            await ctx.tick().repeat(40)
            await driver.write("cr", irq_threshold=3, ioc_irq_en=1)
            await driver.halted()
            quiet = len(memory.log)
            await ctx.tick().repeat(60)
            assert len(memory.log) == quiet, "halted, but accesses memory"
            await driver.run(irq_threshold=3)
        assert "ioc_irq" in await driver.interrupt()

    this.run()
    if channel == "s2mm":
        assert memory.read(TARGETS, 3000) == b"".join(packets)


@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
def test_halt_and_begin_anew(bench, channel):
    """CURDESC, written while halted, drops what was under way."""
    dut, this, _memory, lists = rig(bench, latency=12)
    base = SOURCES if channel == "mm2s" else TARGETS
    parts = [Part(base + 1000 * k, 1000, eof=True, sof=True) for k in range(4)]
    places = lay_out(lists, channel, parts)

    @this.background
    async def device(ctx):
        if channel == "mm2s":
            got = await sink(ctx, dut.mm2s, 9)
            assert got
        else:
            await source(ctx, dut.s2mm, [bytes(500)] * 9)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, channel, lists)
        await driver.start(places[:2])
        await ctx.tick().repeat(60)
        await driver.write("cr")
        await driver.halted()
        before = {place: driver.result(place) for place in places[:2]}
        await driver.start(places[3:])
        assert "ioc_irq" in await driver.interrupt()
        assert "cmplt" in driver.result(places[3])
        assert {place: driver.result(place) for place in places[:2]} == before
        assert "idle" in await driver.status()

    this.run()


@pytest.mark.parametrize("split", [0, 1])
def test_reset(bench, split):
    """Of one channel in the middle: it drains; the other one goes on only if resets are split."""
    dut, this, memory, lists = rig(bench, latency=30)
    out = lay_out(lists, "mm2s", [Part(SOURCES, 4000, eof=True, sof=True)])
    into = lay_out(lists, "s2mm", [Part(TARGETS, 2048)])
    packet = Random(1).randbytes(1500)

    @this.background
    async def device(ctx):
        ctx.set(dut.mm2s.t.ready, 0)        # never takes anything
        await source(ctx, dut.s2mm, [packet], stall=0.5)

    @this.testbench
    async def software(ctx):
        rx, tx = Driver(ctx, dut, "s2mm", lists), Driver(ctx, dut, "mm2s", lists)
        await rx.write("options", split_reset=split)
        await rx.start(into)
        await tx.start(out)
        await ctx.tick().repeat(60)
        assert await tx.reset() < 60
        assert "halted" in await tx.status()
        assert await rx.read("options") == split
        if split:
            assert "ioc_irq" in await rx.interrupt()
            assert memory.read(TARGETS, 1500) == packet
        else:
            assert "halted" in await rx.status()
        assert ctx.get(dut.mm2s.t.valid), "an offer stays"

    this.run()


def test_reads_only_memory(bench):
    """Memory that takes no write while a read is outstanding: nothing hangs.

    It is what hangs engines of peers: reads without reserved room wait for writes, which wait for
    reads.
    """
    dut, this, memory, lists = rig(bench, latency=9, one_way="r")
    sent = [Part(SOURCES + 4096 * k, 4096, eof=True, sof=True) for k in range(4)]
    room = [Part(TARGETS + 4096 * k, 4096) for k in range(4)]
    out, into = lay_out(lists, "mm2s", sent), lay_out(lists, "s2mm", room)
    packets = [Random(k).randbytes(4096) for k in range(4)]

    @this.background
    async def device(ctx):
        await source(ctx, dut.s2mm, packets)

    @this.background
    async def taker(ctx):
        await sink(ctx, dut.mm2s, 9)

    @this.testbench
    async def software(ctx):
        rx, tx = Driver(ctx, dut, "s2mm", lists), Driver(ctx, dut, "mm2s", lists)
        await rx.start(into, irq_threshold=4)
        await tx.start(out, irq_threshold=4)
        await tx.interrupt()
        await rx.interrupt()

    this.run()
    assert memory.read(TARGETS, 4 * 4096) == b"".join(packets)


@pytest.mark.parametrize("shape", ["smallest", "default"])
def test_checked(bench, shape):
    """With protocol checkers on every port, resets in the middle of everything."""
    dut, this, _memory, lists = rig(bench, shape=shape, latency=6, stall=0.3, seed=2,
                                   checked=Checked)
    out = lay_out(lists, "mm2s", [Part(SOURCES + 5 + 300 * k, 299, eof=k % 2 > 0)
                                  for k in range(6)])
    into = lay_out(lists, "s2mm", [Part(TARGETS + 3 + 200 * k, 190) for k in range(20)])

    @this.background
    async def device(ctx):
        while True:
            await source(ctx, dut.s2mm, [PACKET], stall=0.4)

    @this.background
    async def taker(ctx):
        await sink(ctx, dut.mm2s, 99, stall=0.4)

    @this.testbench
    async def software(ctx):
        random = Random(7)
        rx, tx = Driver(ctx, dut, "s2mm", lists), Driver(ctx, dut, "mm2s", lists)
        await rx.write("options", split_reset=1)
        for turn in range(10):
            for driver, places in ((rx, into), (tx, out)):
                if random.randrange(2) or not turn:
                    await driver.reset()
                    for place in places:
                        lists.data[place + 0x1C:place + 0x20] = bytes(4)
                    await driver.start(places)
            await ctx.tick().repeat(random.randrange(1, 200))

    this.run()


def test_packets_count_for_interrupts(bench):
    """Of the three descriptors of a packet one does; what is left over the timer reports."""
    dut, this, _, lists = rig(bench)
    places = lay_out(lists, "mm2s", [Part(SOURCES + 64 * k, 50, eof=k == 2, sof=not k)
                                     for k in range(3)])

    @this.background
    async def device(ctx):
        await sink(ctx, dut.mm2s, 9)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, "mm2s", lists)
        await driver.start(places, irq_threshold=200, irq_delay=2, dly_irq_en=1)
        await driver.idle()
        assert await driver.read("done_descs") == 3
        assert (await driver.status())["irq_threshold_sts"] == 199
        status = await driver.interrupt()
        assert "dly_irq" in status and "ioc_irq" not in status
        assert (await driver.status())["irq_threshold_sts"] == 200

    this.run()
