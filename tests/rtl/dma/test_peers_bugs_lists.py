"""Bugs of other engines that go through lists or to streams: each is a test here."""

from random import Random

import pytest

from rtl.spec.descriptor import CDMA_ALIGN, CdmaWord
from sim.checked import Checked

from . import harness, stream_harness
from .harness import DESCS, SOURCES, TARGETS, Copy
from .stream_harness import Part


def copy(bench, todo, *, slots=None, **memory_args):
    """Do ``todo`` as one list of the CDMA, with protocol checkers; return the memory's log."""
    dut, this, memory = harness.rig(bench, checked=Checked, **memory_args)
    places = harness.lay_out(memory, todo, slots)

    @this.testbench
    async def driver(ctx):
        software = harness.Driver(ctx, dut)
        assert "ioc_irq" in await software.run(places)
        assert await software.read("done_descs") == len(todo)

    this.run()
    assert memory.data == harness.expected(memory, todo, places)
    return memory.log


def send(bench, parts, count, *, stall=0.0, slots=None, **memory_args):
    """Send a list of parts, ``count`` packets; return them."""
    dut, this, memory, lists = stream_harness.rig(bench, checked=Checked, stall=stall,
                                                  **memory_args)
    places = stream_harness.lay_out(lists, "mm2s", parts, slots=slots)
    got = []

    @this.testbench
    async def device(ctx):
        got[:] = await stream_harness.sink(ctx, dut.mm2s, count, stall=stall)

    @this.testbench
    async def software(ctx):
        driver = stream_harness.Driver(ctx, dut, "mm2s", lists)
        await driver.start(places, irq_threshold=count)
        await driver.interrupt()
        assert await driver.read("done_descs") == len(parts)

    this.run()
    data = [memory.read(part.addr, part.size) for part in parts]
    return got, data


@pytest.mark.parametrize("size", [64, 4096])
@pytest.mark.parametrize("one_way", ["r", "w"])
def test_idma_reads_without_reserved_room(bench, size, one_way):
    """Memory that takes writes only when no read is outstanding, or the other way round."""
    copy(bench, [Copy(SOURCES + 3, TARGETS + 5 + k * size, size) for k in range(4)],
         one_way=one_way, latency=5)


def test_idma_115_misaligned_bursts_with_slow_writes(bench):
    """Several misaligned bursts, while writes are hardly ever accepted."""
    copy(bench, [Copy(SOURCES + 3, TARGETS + 5, 1500), Copy(SOURCES + 1, TARGETS + 2046, 700)],
         stall=0.8, latency=2, seed=3)


def test_idma_status_destroys_the_chain(bench):
    """A status that is written leaves the link alone: the same list goes round again."""
    todo = [Copy(SOURCES + 64 * k, TARGETS + 64 * k, 64) for k in range(3)]
    dut, this, memory = harness.rig(bench)
    places = harness.lay_out(memory, todo)
    before = [memory.read(place, CdmaWord.STATUS) for place in places]

    @this.testbench
    async def driver(ctx):
        software = harness.Driver(ctx, dut)
        for _ in range(2):
            assert "ioc_irq" in await software.run(places)
            assert [memory.read(place, CdmaWord.STATUS) for place in places] == before
            for place in places:
                memory.data[place + CdmaWord.STATUS:place + CDMA_ALIGN] = bytes(36)

    this.run()


def test_adi_hang_of_short_descriptors(bench):
    """64 bytes each, back to back, with addresses of writes refused in 12 of 16 cycles."""
    copy(bench, [Copy(SOURCES + 64 * k, TARGETS + 64 * k, 64) for k in range(24)],
         stall=0.75, seed=12)


def test_adi_descriptor_across_pages(bench):
    """No burst for a descriptor crosses 4 KiB, that of the last slot of a page neither."""
    slots = [62, 63, 64, 65]
    log = copy(bench, [Copy(SOURCES + 64 * k, TARGETS + 64 * k, 64) for k in range(4)],
               slots=slots)
    fetched = [(addr, beats) for _, kind, addr, beats, payload in log
               if kind == "r" and payload.id == 1]
    assert all(addr // 4096 == (addr + 8 * beats - 1) // 4096 for addr, beats in fetched)
    assert {addr for addr, _ in fetched} >= {DESCS + CDMA_ALIGN * slot for slot in slots}


@pytest.mark.parametrize("size", [1, 3, 8])
def test_adi_1844_one_beat(bench, size):
    """Transfers of a single beat, packet after packet."""
    parts = [Part(stream_harness.SOURCES + 16 * k + k % 8, size, eof=True, sof=True)
             for k in range(12)]
    got, data = send(bench, parts, 12)
    assert got == data


def test_adi_1899_single_request_after_cyclic(bench):
    """After a cyclic transfer was ended, a normal one moves the right bytes."""
    dut, this, memory, lists = stream_harness.rig(bench)
    loop = [Part(stream_harness.SOURCES + 64 * k, 64, eof=True, sof=True) for k in range(2)]
    places = stream_harness.lay_out(lists, "mm2s", loop)
    single = Part(stream_harness.SOURCES + 1000, 300, eof=True, sof=True)

    @this.background
    async def device(ctx):
        await stream_harness.sink(ctx, dut.mm2s, 3)
        while (packet := (await stream_harness.sink(ctx, dut.mm2s, 1))[0]) != memory.read(
                single.addr, single.size):
            assert isinstance(packet, tuple) or len(packet) == 64
        ctx.set(dut.mm2s.t.ready, 1)

    @this.testbench
    async def software(ctx):
        driver = stream_harness.Driver(ctx, dut, "mm2s", lists)
        await driver.pair("curdesc", places[0])
        await driver.run(cyclic_bd=1)
        await driver.pair("taildesc", 0x1FC0)
        for _ in range(3):
            await driver.interrupt()
        await driver.reset()
        lists.write(places[0], single.image(places[0]))
        await driver.start(places[:1])
        await driver.interrupt()
        await driver.idle()
        assert await driver.read("done_descs") == 1
        await ctx.tick().repeat(100)
        assert await driver.read("done_bytes") == 300

    this.run()


@pytest.mark.parametrize("latency", [1, 16])
def test_zipcpu_drops_descriptors(bench, latency):
    """64 of 64 descriptors are carried out, each to its end."""
    todo = [Copy(SOURCES + 40 * k, TARGETS + 40 * k, 40) for k in range(64)]
    copy(bench, todo, latency=latency)


def test_verilog_axi_12_page_of_4_kib(bench):
    """Buffers around the end of a page: no burst crosses it, to memory and to the stream."""
    copy(bench, [Copy(SOURCES + 4096 - 7 - k, TARGETS + 4096 * (k + 1) - 9, 64)
                 for k in range(5)])
    parts = [Part(stream_harness.SOURCES + 4096 - 30 + k, 64, eof=k == 4) for k in range(5)]
    got, data = send(bench, parts, 1)
    assert got == [b"".join(data)]


def test_verilog_axi_unaligned_copies_wrong_bytes(bench):
    """Every offset of source and target within a bus word."""
    random = Random(5)
    todo = [Copy(SOURCES + 64 * k + k % 8, TARGETS + 128 * k + k // 8, random.randint(1, 60))
            for k in range(64)]
    copy(bench, todo)
