"""Channels: whatever happens to one, the others go on."""

import pytest
from amaranth.back import rtlil

from rtl.axi.signature import Resp
from rtl.dma.channels import Channels
from rtl.params import RingParams
from rtl.spec.ring_formats import RingFault
from sim.axi import Memory
from sim.checked import Checked

from .harness import IMAGE, SOURCES, TARGETS
from .ring_harness import SIZE, Driver, Item, expected

COUNT = 4
QUIET = 10_000          # cycles for which nobody answers
RINGS = 0x18000         # rings of each channel, 8 KiB each


class Channel(Driver):
    """Driver of one of several channels, each with rings in a part of memory of its own."""

    def __init__(self, ctx, dut, memory, channel):
        super().__init__(ctx, dut, memory, window=channel << 12, base=RINGS + 0x2000 * channel)
        self.channel = channel


def todo(channel, count=6):
    """Copies of a channel: sources and targets of its own."""
    return [Item(SOURCES + 256 * k, TARGETS + 0x1000 * channel + 256 * k, 200 + k)
            for k in range(count)]


def rig(bench, **memory_args):
    dut = Channels(RingParams(urgent=True), COUNT)
    this = bench(Checked(dut), timeout=40_000)
    memory = Memory(dut.bus, size=SIZE, **memory_args)
    memory.write(SOURCES, IMAGE)
    memory.attach(this)
    return dut, this, memory


async def start(ctx, dut, memory, *, skip=()):
    """Set up all channels, and start those that are not in ``skip``; return their drivers."""
    drivers = [Channel(ctx, dut, memory, k) for k in range(COUNT)]
    for driver in drivers:
        await driver.setup()
        if driver.channel not in skip:
            await driver.submit(todo(driver.channel))
    return drivers


async def finish(drivers, *, skip=()):
    """Wait for all completions of those that are not in ``skip``."""
    for driver in drivers:
        if driver.channel not in skip:
            for k in range(6):
                assert (await driver.completion())[:2] == (k, 0)


def check(memory, *, skip=()):
    result = bytes(memory.image)
    for channel in range(COUNT):
        if channel not in skip:
            result = expected(result, todo(channel), 6)
    for channel in range(COUNT):
        if channel not in skip:
            at = TARGETS + 0x1000 * channel
            assert memory.data[at:at + 0x1000] == result[at:at + 0x1000]


@pytest.mark.parametrize("args", [
    {"stall": 0.5, "seed": 3}, {"reorder": True, "stall": 0.2, "latency": 9},
    {"one_way": "r", "latency": 5}, {"one_way": "w", "latency": 5}])
def test_all(bench, args):
    """Also before a memory that refuses writes while reads are outstanding."""
    dut, this, memory = rig(bench, **args)

    @this.testbench
    async def software(ctx):
        await finish(await start(ctx, dut, memory))

    this.run()
    check(memory)
    assert {payload.user.device_id for *_, payload in memory.log} == {0x11 + k
                                                                      for k in range(COUNT)}


@pytest.mark.parametrize("silent", [0, 1])
def test_silence(bench, silent):
    """Data or rings of channel 2 get no answer for 10,000 cycles; then it goes on."""
    dut, this, memory = rig(bench, latency=4)
    ids = dut.bus.signature.id_width - 2

    @this.testbench
    async def software(ctx):
        memory.silent = {2 << ids | silent}
        drivers = await start(ctx, dut, memory)
        await finish(drivers, skip={2})
        begin = memory.cycle
        await ctx.tick().repeat(QUIET)
        assert begin < 2000 and memory.cycle >= QUIET
        assert not await drivers[2].read("done", "count")
        assert not await drivers[2].read("sr", "idle")
        memory.silent = set()
        await finish(drivers, skip={0, 1, 3})

    this.run()
    check(memory)


@pytest.mark.parametrize("access", ["r", "w"])
def test_fault(bench, access):
    """Channel 1 stops at its third copy; it tells where, and is used again after a reset."""
    dut, this, memory = rig(bench, latency=6)
    low = TARGETS + 0x1000 + 512 if access == "w" else SOURCES + 0x3000

    @this.testbench
    async def software(ctx):
        memory.heal()
        memory.fail(low, low + 64, access, Resp.DECERR)
        drivers = await start(ctx, dut, memory, skip={1})
        bad = todo(1)
        if access == "r":
            bad[2] = Item(SOURCES + 0x3000, bad[2].dst, 200)
        await drivers[1].submit(bad)
        for fault in (0, 0, RingFault.DATA_DEC):
            assert (await drivers[1].completion())[1] & 7 == fault
        await finish(drivers, skip={1})
        await drivers[1].idle()         # the completion was acknowledged, too
        assert await drivers[1].read("sr", "halted")
        assert await drivers[1].read("sr", "write") == (access == "w")
        assert await drivers[1].read("err_addr") == low
        assert [await driver.read("sr", "halted") for driver in drivers] == [0, 1, 0, 0]
        memory.heal()
        await drivers[1].reset()
        await drivers[1].setup()
        await drivers[1].submit(todo(1))
        await finish(drivers, skip={0, 2, 3})

    this.run()
    check(memory)


def test_pause_and_terminate(bench):
    """One is paused, another reset in the middle; the others do not notice."""
    dut, this, memory = rig(bench, latency=20)

    @this.testbench
    async def software(ctx):
        drivers = await start(ctx, dut, memory)
        await drivers[0].setup(pause=1)
        assert await drivers[3].reset() < 100
        while not await drivers[0].read("sr", "paused"):
            pass
        moved = await drivers[0].read("done_bytes")
        await finish(drivers, skip={0, 3})
        assert await drivers[0].read("done_bytes") == moved
        await drivers[0].setup(pause=0)
        await finish(drivers, skip={1, 2, 3})
        await drivers[3].setup()
        await drivers[3].submit(todo(3))
        await finish(drivers, skip={0, 1, 2})

    this.run()
    check(memory)


def test_fair_and_urgent(bench):
    """Equal channels get as much; one that is urgent is done sooner, and starves no other."""
    ends, moved = {}, {}
    for urgent in (0, 1):
        dut, this, memory = rig(bench, most=3)

        @this.testbench
        async def software(ctx, urgent=urgent, memory=memory, dut=dut):
            drivers = [Channel(ctx, dut, memory, k) for k in range(COUNT)]
            for driver in drivers:
                await driver.setup(run=0)
                await driver.submit(todo(driver.channel, 15))
            for driver in reversed(drivers):            # the urgent one begins last
                await driver.write("cr", run=1, urgent=urgent * (driver.channel == 0),
                                   irq_threshold=1)
            done = {}
            while len(done) < COUNT:
                await ctx.tick()
                for k in range(COUNT):
                    if k not in done and memory.read(drivers[k].done + 8 * 14, 8)[3] & 0x80:
                        done[k] = memory.cycle
                        moved[urgent] = moved.get(urgent) or [
                            await driver.read("done_bytes") for driver in drivers]
            ends[urgent] = done

        this.run()
    # What the first one had asked for before the others began, it gets first.
    assert min(moved[0]) > 0.5 * max(moved[0])
    assert ends[1][0] == min(ends[1].values()) < ends[0][0] - 200
    assert sum(moved[1][1:]) > 100
    assert max(ends[1].values()) < max(ends[0].values()) + 100


@pytest.mark.parametrize("count", [1, 2, 5])
def test_netlist(count):
    rtlil.convert(Channels(RingParams(urgent=count > 2), count))


def test_parameters():
    with pytest.raises(ValueError, match=r"^Channels must be from 1 to 16, not 17$"):
        Channels(RingParams(), 17)
    with pytest.raises(ValueError,
                       match=r"^Channels must share a bus, not have ports of their own$"):
        Channels(RingParams(own_port=True), 2)
