"""ReadBridge and WriteBridge: what is refused among what is passed, whoever stalls."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.iommu.bridge import ReadBridge, WriteBridge
from sim.checked import Checked
from sim.streams import collect, put, send

WIDTHS = {"data_width": 64, "id_width": 2}
#: Bursts, in the order of their addresses: refused, ID, beats.
BURSTS = st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(1, 4)),
                  min_size=1, max_size=10)
STALLS = st.tuples(*[st.sampled_from([0.0, 0.5])] * 4)


async def decide(ctx, dut, bursts):
    """Play the translator: pass while there is room, or refuse and wait until that is done."""
    for refused, axid, beats in bursts:
        if refused:
            await put(ctx, dut.refused, {"id": axid, "len": beats - 1})
            continue
        while not ctx.get(dut.room):
            await ctx.tick()
        ctx.set(dut.passed.valid, 1)
        ctx.set(dut.passed.id, axid)
        await ctx.tick()
        ctx.set(dut.passed.valid, 0)


@given(bursts=BURSTS, stalls=STALLS, in_flight=st.sampled_from([2, 4]))
@settings(max_examples=15)
def test_reads(bench, bursts, stalls, in_flight):
    dut = Checked(ReadBridge(**WIDTHS, in_flight=in_flight))
    this = bench(dut)

    @this.testbench
    async def translator(ctx):
        await decide(ctx, dut, bursts)

    @this.background
    async def memory(ctx):
        """Answer each burst that was passed, in order."""
        waiting, number = [], 0

        async def beats():
            nonlocal number
            while True:
                while not waiting:
                    await tick()
                axid = waiting.pop(0)
                while bursts[number][0]:
                    number += 1
                for beat in range(bursts[number][2]):
                    await offer({"id": axid, "data": number, "resp": Resp.OKAY,
                                 "last": beat == bursts[number][2] - 1})
                number += 1

        async def tick():
            *_, valid, axid, ready = await ctx.tick().sample(
                dut.passed.valid, dut.passed.id, dut.memory.ready)
            if valid:
                waiting.append(axid)
            return ready

        async def offer(payload):
            ctx.set(dut.memory.payload, payload)
            ctx.set(dut.memory.valid, 1)
            while not await tick():
                pass
            ctx.set(dut.memory.valid, 0)

        await beats()

    @this.testbench
    async def device(ctx):
        wanted = [(axid, Resp.SLVERR if refused else Resp.OKAY, beat == beats - 1,
                   0 if refused else number)
                  for number, (refused, axid, beats) in enumerate(bursts) for beat in range(beats)]
        got = await collect(ctx, dut.device, len(wanted), stall=stalls[0])
        assert [(b.id, b.resp, bool(b.last), b.data) for b in got] == wanted
        await ctx.tick()
        assert ctx.get(dut.room)

    this.run()


@given(bursts=BURSTS, stalls=STALLS, in_flight=st.sampled_from([2, 4]))
@settings(max_examples=15)
def test_writes(bench, bursts, stalls, in_flight):
    """Data of passed bursts arrives whole, of refused ones not at all; each gets its response."""
    dut = Checked(WriteBridge(**WIDTHS, in_flight=in_flight))
    this = bench(dut)
    beats = [{"data": number, "strb": beat + 1, "last": beat == count - 1}
             for number, (_, _, count) in enumerate(bursts) for beat in range(count)]

    @this.testbench
    async def translator(ctx):
        await decide(ctx, dut, bursts)

    @this.testbench
    async def data(ctx):
        await send(ctx, dut.device_w, beats, stall=stalls[0])

    @this.background
    async def memory(ctx):
        for number, (refused, axid, count) in enumerate(bursts):
            if refused:
                continue
            got = await collect(ctx, dut.memory_w, count, stall=stalls[1], seed=number)
            assert [(w.data, w.strb, bool(w.last)) for w in got] == [
                (number, beat + 1, beat == count - 1) for beat in range(count)]
            await put(ctx, dut.memory_b, {"id": axid, "resp": Resp.OKAY})

    @this.testbench
    async def device(ctx):
        got = await collect(ctx, dut.device_b, len(bursts), stall=stalls[2])
        assert [(b.id, b.resp) for b in got] == [
            (axid, Resp.SLVERR if refused else Resp.OKAY) for refused, axid, _ in bursts]

    this.run()


@pytest.mark.parametrize("kind", [ReadBridge, WriteBridge])
def test_room_and_mark(bench, kind):
    """Room for as many as may be in flight; marked until the last of them is answered."""
    dut = Checked(kind(**WIDTHS, in_flight=2))
    this = bench(dut)
    memory, device = ((dut.memory, dut.device) if kind is ReadBridge else
                      (dut.memory_b, dut.device_b))

    @this.testbench
    async def testbench(ctx):
        ctx.set(device.ready, 1)
        for axid in (1, 2):
            assert ctx.get(dut.room)
            ctx.set(dut.passed.valid, 1)
            ctx.set(dut.passed.id, axid)
            await ctx.tick()
        ctx.set(dut.passed.valid, 0)
        assert not ctx.get(dut.room)
        if kind is WriteBridge:
            ctx.set(dut.memory_w.ready, 1)
            for _ in range(2):
                await put(ctx, dut.device_w, {"last": 1})
        ctx.set(dut.mark, 1)
        await ctx.tick()
        ctx.set(dut.mark, 0)
        for axid, marked in ((2, 1), (1, 0)):
            assert ctx.get(dut.marked)
            await put(ctx, memory, {"id": axid, **({"last": 1} if kind is ReadBridge else {})})
            assert ctx.get(dut.marked) == marked
            assert ctx.get(dut.room)

    this.run()


def test_data_passes_in_the_same_cycle(bench):
    """And not before the decision on its address."""
    dut = Checked(WriteBridge(**WIDTHS, in_flight=2))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.device_w.valid, 1)
        ctx.set(dut.device_w.p.last, 1)
        ctx.set(dut.memory_w.ready, 1)
        for _ in range(3):
            *_, valid, ready = await ctx.tick().sample(dut.memory_w.valid, dut.device_w.ready)
            assert (valid, ready) == (0, 0)
        ctx.set(dut.passed.valid, 1)
        await ctx.tick()
        ctx.set(dut.passed.valid, 0)
        *_, valid, ready = await ctx.tick().sample(dut.memory_w.valid, dut.device_w.ready)
        assert (valid, ready) == (1, 1)
        ctx.set(dut.device_w.valid, 0)
        ctx.set(dut.device_b.ready, 1)
        await put(ctx, dut.memory_b, {"id": 0})
        assert ctx.get(dut.room)

    this.run()


@pytest.mark.parametrize("strobes, lane", [
    (0xF, 0), (0xF0, 1), (0xF00, 2), (0xF000, 3), (0xFF, None), (0, None), (0x7, None),
    (0x1E, None), (0xFFFF, None), (0x1F, None), (0xF00F, None)])
def test_data_of_a_message(bench, strobes, lane):
    """Four bytes of the first beat; they are not answered while held, and then as told."""
    dut = Checked(WriteBridge(data_width=128, id_width=2, in_flight=2, files=True))
    this, word = bench(dut), 0xDDDD_CCCC_BBBB_AAAA_4444_3333_2222_1111

    @this.testbench
    async def testbench(ctx):
        for good in (True, False):
            capture = dut.capture[0]
            ctx.set(dut.passed.valid, 1)                # another one goes before it
            await ctx.tick()
            ctx.set(dut.passed.valid, 0)
            ctx.set(dut.refused.valid, 1)
            ctx.set(dut.refused.p, {"id": 2, "len": 1})
            ctx.set(dut.held[0], 1)
            ctx.set(dut.good[0], 1)
            ctx.set(dut.memory_w.ready, 1)
            ctx.set(dut.device_b.ready, 1)
            for beat in ({"last": 1, "strb": 1}, {"data": word, "strb": strobes},
                         {"data": ~word, "strb": 0xF, "last": 1}):
                await put(ctx, dut.device_w, beat)
                assert not ctx.get(capture.valid)
            await put(ctx, dut.memory_b, {"id": 0})
            for _ in range(3):
                assert ctx.get(capture.valid)
                assert ctx.get(capture.whole) == (lane is not None)
                if lane is not None:
                    assert ctx.get(capture.lane) == lane
                    assert ctx.get(capture.word) == word >> 32 * lane & 0xFFFF_FFFF
                assert not ctx.get(dut.device_b.valid)
                await ctx.tick()
            ctx.set(dut.held[0], 0)
            ctx.set(dut.good[0], good)
            (b,) = await ctx.tick().sample(dut.device_b.p).until(dut.device_b.valid)
            assert (b.id, b.resp, b.refused) == (
                2, Resp.OKAY if good else Resp.SLVERR, not good)
            ctx.set(dut.refused.valid, 0)
            await ctx.tick()

    this.run()


@pytest.mark.parametrize("kind", [ReadBridge, WriteBridge])
@pytest.mark.parametrize("data_width, id_width, in_flight", [(64, 1, 2), (512, 16, 16)])
def test_netlist(kind, data_width, id_width, in_flight):
    rtlil.convert(kind(data_width=data_width, id_width=id_width, in_flight=in_flight))
