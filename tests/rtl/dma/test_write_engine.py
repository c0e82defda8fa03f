"""WriteEngine: every byte written once, no address before its data, ends told once."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.jobs import Fault
from rtl.dma.write_engine import WriteEngine
from rtl.params import DmaParams
from sim.streams import send

from .parts import Writes, netlist, pages

SHAPES = {
    "smallest": ({"addr_width": 32, "data_width": 32, "reads_in_flight": 1, "max_beats": 2}, 8, 4),
    "default": ({}, 128, 128),
    "odd": ({"addr_width": 40, "data_width": 256, "reads_in_flight": 8}, 4096, 256),
}
COPIES = 8          # ends that may wait: all of a test


def run(bench, shape, copies, *, stall=0.0, latency=1, seed=0, fail=None, resp=Resp.SLVERR,
        rows_end=None):
    """Write copies (dst, size).

    The burst at address ``fail`` is answered with ``resp``; rows end after ``rows_end`` of them,
    because a read failed.
    """
    args, page, depth = SHAPES[shape]
    params = DmaParams(**args)
    bus = params.data_width // 8
    dut = WriteEngine(params, page_bytes=page, rows=depth, copies=COPIES)
    this = bench(dut)
    writes = Writes(dut.bus, lambda addr: resp if addr == fail else Resp.OKAY,
                    latency=latency, stall=stall, seed=seed)
    this.background(writes.serve)
    bursts, rows, random = [], [], Random(seed)
    for dst, size in copies:
        bursts += pages(dst, size, page, bus)
        words = range(dst // bus, (dst + size - 1) // bus + 1)
        rows += [random.getrandbits(8 * bus) for _ in words]
    made = len(rows) if rows_end is None else min(rows_end, len(rows))
    # What must happen: each burst as long as all before went well, and it has its rows.
    good, ends, claimed, written = [], [], 0, {}
    failure = None
    for burst in bursts:
        base = burst["addr"] // bus * bus
        claimed += burst["len"] + 1
        if claimed > made:
            failure = (Fault.DMA_DEC, 0x1230)       # of the read
            break
        if base == fail:
            failure = (Fault.DMA_SLV if resp is Resp.SLVERR else Fault.DMA_DEC, base)
            break
        first = rows[claimed - burst["len"] - 1:claimed]
        last = burst["addr"] // page * page + burst["end"]
        for at in range(burst["addr"], last + 1):
            row = first[at // bus - base // bus]
            written[at] = row >> 8 * (at % bus) & 0xFF
        good.append((base, burst["len"] + 1, last - burst["addr"] + 1))
        if burst["last"]:
            ends.append((Fault.NONE, 0))
    ends += [failure] if failure else []

    @this.background
    async def source(ctx):
        await send(ctx, dut.bursts, bursts, stall=stall, seed=seed)

    @this.background
    async def store(ctx):
        """Announce rows, and show each three cycles later or when it is its turn."""
        announced, shown, k = 0, 0, 0
        stock = []
        while True:
            done = 0 if random.random() < stall else min(random.choice((1, 2)), made - announced)
            if announced + done - shown >= depth:
                done = 0
            ctx.set(dut.done, done)
            announced += done
            k += 1
            stock += [k + 2] * done
            visible = bool(stock) and stock[0] <= k
            ctx.set(dut.rows.valid, visible)
            if visible:
                ctx.set(dut.rows.payload, rows[shown])
            ctx.set(dut.read_failed, rows_end is not None and announced == made and k > 400)
            ctx.set(dut.read_failure, {"fault": Fault.DMA_DEC, "addr": 0x1230})
            _, _, ready = await ctx.tick().sample(dut.rows.ready)
            if visible and ready:
                stock.pop(0)
                shown += 1

    @this.testbench
    async def sink(ctx):
        got, acked, quiet = [], [], 0
        while quiet < 600:
            ready = random.random() >= stall and not (got and got[-1][0] is not Fault.NONE)
            ctx.set(dut.finished.ready, ready)
            _, _, valid, end, ack, span, busy = await ctx.tick().sample(
                dut.finished.valid, dut.finished.payload, dut.acked, dut.acked_span, dut.busy)
            quiet = 0 if (valid and ready) or busy else quiet + 1
            if valid and ready:
                if end.fault is not Fault.NONE:
                    assert not busy, "an end with a fault comes after all answers"
                got.append((end.fault, end.addr if end.fault is not Fault.NONE else 0))
            if ack:
                acked.append(span + 1)
        assert got == ends
        assert acked == [size for _, _, size in good]
        assert ctx.get(dut.failed) == (failure is not None)

    this.run()
    assert writes.log[:len(good)] == good
    assert {at: writes.data.get(at) for at in written} == written
    assert writes.most <= params.reads_in_flight
    return writes


@st.composite
def works(draw):
    shape = draw(st.sampled_from(sorted(SHAPES)))
    page = SHAPES[shape][1]
    size = st.one_of(st.integers(1, 80), st.integers(1, min(3 * page, 1000)))
    copies, free = [], 0
    for _ in range(draw(st.integers(1, 5))):
        free += draw(st.integers(0, 60))
        copies.append((free, draw(size)))
        free += copies[-1][1]
    return shape, copies


@given(work=works(), stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 15]),
       seed=st.integers(0, 99))
def test_matches_model(bench, work, stall, latency, seed):
    run(bench, *work, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("resp", [Resp.SLVERR, Resp.DECERR])
@pytest.mark.parametrize("fail", [0, 0x100, 0x180, 0x200])
def test_refused(bench, fail, resp):
    run(bench, "default", [(0, 0x140), (0x140, 0x40), (0x180, 0x100)], fail=fail, resp=resp,
        latency=12)


@pytest.mark.parametrize("rows", [0, 5, 16, 20, 40])
def test_rows_end(bench, rows):
    """Bursts that are complete are written, the first that is not ends the copy."""
    run(bench, "default", [(0, 0x80), (0x80, 0x100)], rows_end=rows)


def test_in_flight(bench):
    assert run(bench, "default", [(0, 2048)], latency=80).most == 4


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    args, page, rows = SHAPES[shape]
    netlist(WriteEngine(DmaParams(**args), page_bytes=page, rows=rows, copies=COPIES))
