"""StreamFrontend: descriptors in memory become buffers, with what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.jobs import Fault
from rtl.dma.stream_frontend import StreamFrontend
from rtl.params import StreamParams
from sim.streams import collect

from .parts import Reads, netlist
from .stream_harness import Part

SHAPES = {"smallest": ({"data_width": 32, "addr_width": 32}, 1), "default": ({}, 4),
          "odd": ({"data_width": 512, "addr_width": 40}, 5)}


def run(bench, shape, todo, *, stale=None, refused=None, stall=0.0, latency=1, seed=0):
    """Fetch a list of parts; the descriptor ``stale`` is complete, ``refused`` cannot be read."""
    args, depth = SHAPES[shape]
    params = StreamParams(**args)
    width = params.data_width // 8
    dut = StreamFrontend(params, depth=depth)
    this = bench(dut)
    places = [0x1000 + 64 * k for k in range(len(todo))]
    image = {place: part.image(place + 64, (1 << 31) * (k == stale)) + bytes(width)
             for k, (place, part) in enumerate(zip(places, todo, strict=True))}

    def answer(addr):
        place = addr // 64 * 64
        held = image.get(place, bytes(128))[addr - place:][:width]
        bad = refused is not None and place == places[refused]
        return int.from_bytes(held, "little"), Resp.SLVERR if bad else Resp.OKAY

    reads = Reads(dut.bus, answer, latency=latency, stall=stall, seed=seed)
    this.background(reads.serve)
    expected = []
    for k, part in enumerate(todo):
        fault = (Fault.SG_SLV if k == refused else Fault.SG_INT if k == stale else
                 Fault.DMA_INT if part.addr >> params.addr_width or not part.size else Fault.NONE)
        expected.append((fault, places[k] // 64, part))
        if fault.value & 4:
            break

    @this.testbench
    async def driver(ctx):
        for strobe, word in ((dut.place, places[0]), (dut.mark, places[-1])):
            ctx.set(dut.word, word)
            ctx.set(strobe, 1)
            ctx.set(dut.doorbell, strobe is dut.mark)
            ctx.set(dut.start, strobe is dut.mark)
            await ctx.tick()
            ctx.set(strobe, 0)
        ctx.set(dut.doorbell, 0)
        ctx.set(dut.start, 0)
        got = await collect(ctx, dut.items, len(expected), stall=stall, seed=seed)
        for buffer, (fault, desc, part) in zip(got, expected, strict=True):
            assert (buffer.fault, buffer.desc, buffer.sg) == (fault, desc, 1)
            if fault is Fault.NONE:
                assert Part(buffer.addr, buffer.span + 1, bool(buffer.eof),
                            bool(buffer.sof)) == part
        ctx.set(dut.items.ready, 1)
        for _ in range(4 * latency + 20):
            await ctx.tick()
            assert not ctx.get(dut.items.valid)
        if not expected[-1][0].value & 4:
            assert not ctx.get(dut.pending) and not ctx.get(dut.busy)
        # And one without a descriptor, which is a whole packet.
        if shape == "default" and not expected[-1][0].value & 4:
            ctx.set(dut.addr, 0x12_3456)
            ctx.set(dut.size, 77)
            ctx.set(dut.simple, 1)
            buffer = ctx.get(dut.items.payload)
            assert (buffer.addr, buffer.span, buffer.sg, buffer.eof, buffer.sof, buffer.fault) == (
                0x12_3456, 76, 0, 1, 1, Fault.NONE)

    this.run()


ADDR = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 2**64 - 1))


@given(shape=st.sampled_from(sorted(SHAPES)), todo=st.lists(
    st.builds(Part, ADDR, st.integers(0, 2**26 - 1), st.booleans(), st.booleans()),
    min_size=1, max_size=6), stall=st.sampled_from([0.0, 0.5]),
    latency=st.sampled_from([1, 12]), seed=st.integers(0, 99))
def test_matches_model(bench, shape, todo, stall, latency, seed):
    run(bench, shape, todo, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("wrong", [{"stale": 1}, {"refused": 1}])
@pytest.mark.parametrize("shape", SHAPES)
def test_bad_descriptor(bench, shape, wrong):
    run(bench, shape, [Part(64 * k, 64) for k in range(4)], **wrong)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    args, depth = SHAPES[shape]
    netlist(StreamFrontend(StreamParams(**args), depth=depth))
