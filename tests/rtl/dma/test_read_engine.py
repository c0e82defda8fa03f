"""ReadEngine: beats in order, no more than there is room for, none after an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.jobs import Fault
from rtl.dma.read_engine import ReadEngine
from rtl.params import DmaParams
from sim.streams import send

from .parts import Reads, netlist, pages, place

SHAPES = {
    "smallest": ({"addr_width": 32, "data_width": 32, "reads_in_flight": 1}, 8, 4),
    "default": ({}, 128, 128),
    "odd": ({"addr_width": 40, "data_width": 256, "reads_in_flight": 8}, 4096, 256),
}


def word_at(addr: int) -> int:
    return addr * 0x9E3779B1 & 0xFFFF_FFFF


def run(bench, shape, copies, *, stall=0.0, latency=1, seed=0, fail_from=None, resp=Resp.SLVERR):
    """Read for copies (src, dst, size). The beat at ``fail_from`` comes with ``resp``."""
    args, page, rows = SHAPES[shape]
    params = DmaParams(**args)
    bus = params.data_width // 8
    dut = ReadEngine(params, page_bytes=page, rows=rows)
    this = bench(dut)

    def answer(addr):
        bad = fail_from is not None and addr == fail_from
        return word_at(addr), resp if bad else Resp.OKAY

    reads = Reads(dut.bus, answer, latency=latency, stall=stall, seed=seed)
    bursts, beats, failure = [], [], None
    for src, dst, size in copies:
        where, cut = place(src, dst, size, bus), pages(src, size, page, bus)
        bursts += [{**burst, "tag": where} for burst in cut]
        for burst in cut:
            base = burst["addr"] // bus * bus
            for k in range(burst["len"] + 1):
                if failure is None and answer(base + k * bus)[1] is not Resp.OKAY:
                    failure = base
                if failure is None:
                    beats.append((word_at(base + k * bus), burst["first"] and k == 0,
                                  burst["last"] and k == burst["len"], where))
    this.background(reads.serve)

    @this.background
    async def source(ctx):
        await send(ctx, dut.bursts, bursts, stall=stall, seed=seed)

    @this.testbench
    async def sink(ctx):
        """Take rows out of the store behind, one every few cycles, and never let it overflow."""
        got, stored, failed, quiet, asked_then = [], 0, 0, 0, 0
        while quiet < 4 * latency + 60:
            free = stored > 0 and quiet % 3 == 1
            ctx.set(dut.freed, free)
            _, _, valid, beat, fails, found, reading = await ctx.tick().sample(
                dut.beats.valid, dut.beats.payload, dut.failed, dut.failure, dut.bus.r.valid)
            quiet = 0 if reading else quiet + 1
            stored -= free
            if valid:
                rotated = {name: getattr(beat.place, name) for name in
                           ("rotate", "primes", "spills")}
                got.append((beat.data, beat.first, beat.last, rotated))
                stored += 1 - (beat.first & beat.place.primes) + (beat.last & beat.place.spills)
                assert stored < rows
            if fails:
                failed += 1
                asked_then = len(reads.log)
                assert found.addr == failure
                assert found.fault is (Fault.DMA_SLV if resp is Resp.SLVERR else Fault.DMA_DEC)
        assert got == beats
        assert failed == (failure is not None)
        assert not ctx.get(dut.busy)
        asked = [(burst["addr"] // bus * bus, burst["len"] + 1) for burst in bursts]
        if failure is None:
            assert reads.log == asked
        else:
            assert reads.log == asked[:len(reads.log)]
            assert len(reads.log) <= asked_then + 2, "asked for more after an error"

    this.run()
    assert reads.most <= params.reads_in_flight
    return reads


@st.composite
def works(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
    page = SHAPES[shape][1]
    addr = st.integers(0, 2 * page)
    size = st.one_of(st.integers(1, 80), st.integers(1, min(3 * page, 1500)))
    return shape, draw(st.lists(st.tuples(addr, addr, size), min_size=1, max_size=5))


@given(work=works(), stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 15]),
       seed=st.integers(0, 99))
def test_matches_model(bench, work, stall, latency, seed):
    run(bench, *work, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("resp", [Resp.SLVERR, Resp.DECERR])
@pytest.mark.parametrize("fail_from", [0, 0x90, 0x100, 0x178])
def test_error(bench, fail_from, resp):
    run(bench, "default", [(0, 3, 0x100), (0x100, 0x100, 0x80), *((0x200, 0, 128),) * 8],
        fail_from=fail_from, resp=resp, latency=9)


def test_in_flight(bench):
    """As many as there may be are outstanding before a slow memory."""
    assert run(bench, "default", [(0, 0, 512)] * 3, latency=60).most == 4


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    args, page, rows = SHAPES[shape]
    netlist(ReadEngine(DmaParams(**args), page_bytes=page, rows=rows))
