"""ListFrontend: descriptors in memory become copies, with what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.jobs import Fault
from rtl.dma.list_frontend import ListFrontend
from rtl.params import DmaParams
from sim.streams import collect

from .harness import COMPLETE, Copy, descriptor
from .parts import Reads, netlist

SHAPES = {"smallest": ({"data_width": 32, "addr_width": 32}, 1), "default": ({}, 4),
          "odd": ({"data_width": 512, "addr_width": 40}, 5)}


def run(bench, shape, todo, *, stale=None, refused=None, stall=0.0, latency=1, seed=0):
    """Fetch a list of copies; the descriptor ``stale`` is complete, ``refused`` cannot be read."""
    args, depth = SHAPES[shape]
    params = DmaParams(**args)
    width = params.data_width // 8
    dut = ListFrontend(params, depth=depth)
    this = bench(dut)
    places = [(0x1000 + 64 * k) for k in range(len(todo))]
    image = {place: descriptor(place + 64, copy, COMPLETE if k == stale else 0) + bytes(width)
             for k, (place, copy) in enumerate(zip(places, todo, strict=True))}

    def answer(addr):
        place = addr // 64 * 64
        held = image.get(place, bytes(128))[addr - place:][:width]
        bad = refused is not None and place == places[refused]
        return int.from_bytes(held, "little"), Resp.SLVERR if bad else Resp.OKAY

    reads = Reads(dut.bus, answer, latency=latency, stall=stall, seed=seed)
    this.background(reads.serve)
    expected = []
    for k, copy in enumerate(todo):
        wide = (copy.src | copy.dst) >> params.addr_width
        fault = (Fault.SG_SLV if k == refused else Fault.SG_INT if k == stale else
                 Fault.DMA_INT if wide or not copy.size else Fault.NONE)
        expected.append((fault, places[k] // 64, 1, copy))
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
        for job, (fault, desc, sg, copy) in zip(got, expected, strict=True):
            assert (job.fault, job.label.desc, job.label.sg) == (fault, desc, sg)
            if fault is Fault.NONE:
                assert Copy(job.src, job.dst, job.span + 1) == copy
        ctx.set(dut.items.ready, 1)
        for _ in range(4 * latency + 20):
            await ctx.tick()
            assert not ctx.get(dut.items.valid)
        if not expected[-1][0].value & 4:
            assert not ctx.get(dut.pending) and not ctx.get(dut.busy)

    this.run()
    assert {beats for _, beats in reads.log} == {max(32 // width, 1)}


ADDR = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 2**64 - 1))


@given(shape=st.sampled_from(sorted(SHAPES)), todo=st.lists(
    st.builds(Copy, ADDR, ADDR, st.integers(0, 2**26 - 1)), min_size=1, max_size=6),
    stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 12]), seed=st.integers(0, 99))
def test_matches_model(bench, shape, todo, stall, latency, seed):
    run(bench, shape, todo, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("wrong", ["stale", "refused"])
@pytest.mark.parametrize("which", [0, 2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_bad_descriptor(bench, shape, which, wrong):
    run(bench, shape, [Copy(k << 8, k << 9, 10) for k in range(5)], latency=9, **{wrong: which})


def test_simple(bench):
    """A copy from registers has no descriptor."""
    dut = ListFrontend(DmaParams(addr_width=40), depth=2)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for src, size, fault in ((5, 10, Fault.NONE), (5, 0, Fault.DMA_INT),
                                 (1 << 40, 9, Fault.DMA_INT)):
            for name, value in (("src", src), ("dst", 7), ("size", size), ("simple", 1)):
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            ctx.set(dut.simple, 0)
            assert ctx.get(dut.pending)
            (job,) = await collect(ctx, dut.items, 1)
            assert (job.fault, job.label.sg) == (fault, 0)
            if fault is Fault.NONE:
                assert (job.src, job.dst, job.span) == (src, 7, size - 1)
            assert not ctx.get(dut.pending)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    args, depth = SHAPES[shape]
    netlist(ListFrontend(DmaParams(**args), depth=depth))
