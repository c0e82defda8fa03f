"""StreamIn: buffers end where they are full or a packet ends; runs, beats and entries agree."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.jobs import Fault
from rtl.dma.stream_in import StreamIn
from rtl.params import StreamParams
from sim.streams import collect, send

from .parts import netlist, place
from .stream_harness import Part, cut

SHAPES = {"smallest": ({"addr_width": 32, "data_width": 32, "reads_in_flight": 1}, 8, 4),
          "default": ({}, 128, 128), "odd": ({"addr_width": 40, "data_width": 256}, 1024, 64)}


def make(shape):
    args, page, rows = SHAPES[shape]
    params = StreamParams(**args)
    return StreamIn(params, page_bytes=page, rows=rows), params.data_width // 8, page


async def store(ctx, dut, seen, *, stall, seed):
    """Take beats into ``seen``, and free a row now and then for each that they complete."""
    random, held = Random(seed), 0
    while True:
        free = held > 0 and random.random() >= stall
        ctx.set(dut.freed, free)
        _, _, valid, beat = await ctx.tick().sample(dut.beats.valid, dut.beats.payload)
        held -= free
        if valid:
            tag = beat.place
            held += 1 - (beat.first & tag.primes) + (beat.last & tag.spills)
            seen.append((beat.data, beat.first, beat.last,
                         {name: getattr(tag, name) for name in ("rotate", "primes", "spills")}))


def run(bench, shape, sizes, rooms, *, stall=0.0, seed=0):
    """Fill buffers (addr, size) with packets of ``sizes`` bytes."""
    dut, bus, page = make(shape)
    this = bench(dut)
    random = Random(seed)
    packets = [random.randbytes(size) for size in sizes]
    filled = cut(packets, [Part(addr, room) for addr, room in rooms])
    words = [int.from_bytes(packet[at:at + bus], "little")
             for packet in packets for at in range(0, len(packet), bus)]
    entries, runs, beats, word, at = [], [], [], 0, 0
    for k, ((addr, _), (size, sof, eof, _)) in enumerate(zip(rooms, filled, strict=False)):
        entries.append((k, size, sof, eof, Fault.NONE))
        tag, count = place(at, addr, size, bus), -(-(at + size) // bus)
        beats += [(words[word + n], n == 0, n == count - 1, tag) for n in range(count)]
        end = addr + size
        while addr < end:                       # to the end of the page; the last to the end
            edge = (addr // page + 1) * page
            last = end <= edge or (tag["spills"] and end - edge <= (end - 1) % bus + 1
                                   and end - edge <= bus)
            stop = end if last else edge
            runs.append((addr, stop - addr - 1, int(last)))
            addr = stop
        at = 0 if eof else (at + size) % bus
        word += count - (at > 0)
    seen = []

    @this.background
    async def stream(ctx):
        payload = []
        for packet in packets:
            for start in range(0, len(packet), bus):
                part = packet[start:start + bus]
                payload.append({"data": int.from_bytes(part, "little"),
                                "keep": (1 << len(part)) - 1,
                                "last": start + bus >= len(packet)})
        await send(ctx, dut.t, payload, stall=stall, seed=seed)

    @this.background
    async def buffers(ctx):
        await send(ctx, dut.buffers, [{"addr": addr, "span": room - 1, "desc": k, "sg": 1}
                                      for k, (addr, room) in enumerate(rooms)],
                   stall=stall, seed=seed + 1)

    @this.background
    async def taker(ctx):
        seen.clear()
        await store(ctx, dut, seen, stall=stall, seed=seed)

    @this.testbench
    async def writes(ctx):
        """Those of a buffer that is still being filled may follow."""
        got = await collect(ctx, dut.runs, len(runs), stall=stall, seed=seed + 2)
        assert [(run.addr, run.span, run.tag) for run in got] == runs
        ctx.set(dut.runs.ready, 1)
        for _ in range(50):
            await ctx.tick()
            assert not (ctx.get(dut.runs.valid) and ctx.get(dut.runs.p.tag))

    @this.testbench
    async def ends(ctx):
        got = await collect(ctx, dut.entries, len(entries), stall=stall, seed=seed + 3)
        assert [(entry.label.desc, entry.label.note & (1 << 26) - 1, entry.label.note >> 27,
                 entry.label.note >> 26 & 1, entry.fault) for entry in got] == entries
        await ctx.tick().repeat(100)
        assert [entry[1:3] for entry in seen[:len(beats)]] == [beat[1:3] for beat in beats]
        for (data, first, last, tag), (word, _, _, expected) in zip(seen, beats, strict=False):
            assert data == word and tag["rotate"] == expected["rotate"]
            assert not first or tag["primes"] == expected["primes"]
            assert not last or tag["spills"] == expected["spills"]

    this.run()


@st.composite
def works(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
    size = st.one_of(st.integers(1, 20), st.integers(1, 300))
    sizes = draw(st.lists(size, min_size=1, max_size=6))
    rooms, free = [], draw(st.integers(0, 4000))
    for _ in range(draw(st.integers(1, 12))):
        rooms.append((free, draw(size)))
        free += rooms[-1][1] + draw(st.integers(0, 40))
    return shape, sizes, rooms


@given(work=works(), stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 99))
def test_matches_model(bench, work, stall, seed):
    run(bench, *work, stall=stall, seed=seed)


@pytest.mark.parametrize("addr, span, fault, expected", [
    (0, 63, Fault.SG_SLV, Fault.SG_SLV), ((1 << 64) - 4, 4, Fault.NONE, Fault.DMA_INT)])
def test_fault(bench, addr, span, fault, expected):
    """It is told, and nothing follows it; beats wait."""
    dut, _, _ = make("default")
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.entries.ready, 1)
        await send(ctx, dut.buffers, [{"addr": addr, "span": span, "sg": 1, "fault": fault}])
        (entry,) = await collect(ctx, dut.entries, 1)
        assert (entry.fault, entry.label.note) == (expected, 0)
        ctx.set(dut.t.valid, 1)
        ctx.set(dut.buffers.payload, {"addr": 0, "span": 63, "sg": 1})
        ctx.set(dut.buffers.valid, 1)
        for _ in range(20):
            await ctx.tick()
            assert not ctx.get(dut.beats.valid) and not ctx.get(dut.entries.valid)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(make(shape)[0])
