"""RingCompletion: an entry for each copy, in order, its phase, and nothing after a fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.jobs import Fault
from rtl.dma.ring_completion import RingCompletion
from rtl.params import RingParams
from sim.streams import send

from .parts import Writes, netlist
from .ring_harness import SHAPES

BASE, LOG2, BYTES = 0x4000_0000, 3, 0xCAFE


def run(bench, shape, copies, *, stall=0.0, latency=1, seed=0, refused=None):
    """Complete copies (planned fault, end); the entry ``refused`` cannot be written."""
    params = RingParams(**SHAPES[shape])
    dut = RingCompletion(params)
    this = bench(dut)
    lanes = params.data_width // 8
    order = []

    def answer(addr):
        order.append(addr)
        return Resp.SLVERR if len(order) - 1 == refused else Resp.OKAY

    writes = Writes(dut.bus, answer, latency=latency, stall=stall, seed=seed)
    this.background(writes.serve)
    faults = [planned if planned is not Fault.NONE else end for planned, end in copies]
    last = next((k for k, fault in enumerate(faults) if fault is not Fault.NONE), len(copies))
    entries, reports = [], []
    for k, fault in enumerate(faults[:last + 1]):
        of_write = fault is not Fault.NONE and copies[k][0] is Fault.NONE
        entries.append((k % 8 * 8, 3 * k | (fault.value | of_write << 3) << 16 |
                        (~k >> 3 & 1) << 31 | BYTES << 32))
        if refused is not None and k == refused:
            reports.append((3 * k, fault if fault is not Fault.NONE else Fault.SG_SLV))
            break
        reports.append((3 * k, fault))

    @this.background
    async def starts(ctx):
        order.clear()
        await send(ctx, dut.entries, [
            {"label": {"slot": 3 * k, "irq": k & 1}, "fault": planned}
            for k, (planned, _) in enumerate(copies)], stall=stall, seed=seed)

    @this.background
    async def ends(ctx):
        """As the write engine: an end with a fault stays."""
        for planned, end in copies:
            if planned is not Fault.NONE:
                return
            if end is not Fault.NONE:
                ctx.set(dut.finished.payload, {"fault": end, "addr": 0xE000, "write": 1})
                ctx.set(dut.finished.valid, 1)
                return
            await send(ctx, dut.finished, [{"fault": end}], stall=stall, seed=seed)

    @this.testbench
    async def watch(ctx):
        ctx.set(dut.base, BASE)
        ctx.set(dut.size_log2, LOG2)
        ctx.set(dut.done_bytes, BYTES)
        told, quiet = [], 0
        while quiet < 100 + 4 * latency:
            _, _, completed, faulty, fault, label, addr, answered = await ctx.tick().sample(
                dut.completed, dut.faulty, dut.fault, dut.label, dut.address, dut.bus.b.valid)
            quiet = 0 if answered else quiet + 1
            if completed or faulty:
                assert completed != faulty
                assert label.irq == label.slot % 2
                told.append((label.slot, fault if faulty else Fault.NONE))
                if faulty:
                    assert addr == (0xE000 if fault in (Fault.DMA_SLV, Fault.DMA_DEC) else 0)
                    ctx.set(dut.stop, 1)        # as the registers do
        assert told == reports
        assert not ctx.get(dut.busy)
        if reports[-1][1] is Fault.NONE:
            assert not ctx.get(dut.pending)

    this.run()
    seen = {}
    for at, word in entries:
        seen[at] = word                         # the last pass through the ring stays
    if refused is None:
        for at, word in seen.items():
            got = bytes(writes.data[BASE + at + k] for k in range(8))
            assert int.from_bytes(got, "little") == word
        assert [addr for addr, *_ in writes.log] == [
            (BASE + at) // lanes * lanes for at, _ in entries]
    assert all(count == 8 for *_, count in writes.log)
    assert writes.most <= params.reads_in_flight


@st.composite
def works(draw):
    planned = st.sampled_from([Fault.NONE] * 14 + [Fault.DMA_INT, Fault.SG_DEC])
    end = st.sampled_from([Fault.NONE] * 14 + [Fault.DMA_SLV, Fault.DMA_DEC])
    return draw(st.lists(st.tuples(planned, end), min_size=1, max_size=20))


@given(shape=st.sampled_from(sorted(SHAPES)), copies=works(), stall=st.sampled_from([0.0, 0.5]),
       latency=st.sampled_from([1, 12]), seed=st.integers(0, 99))
def test_matches_model(bench, shape, copies, stall, latency, seed):
    run(bench, shape, copies, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("end", [Fault.NONE, Fault.DMA_DEC])
@pytest.mark.parametrize("refused", [0, 3])
@pytest.mark.parametrize("latency", [1, 20])
def test_refused(bench, refused, end, latency):
    copies = [(Fault.NONE, Fault.NONE)] * 6
    copies[refused] = (Fault.NONE, end)
    run(bench, "default", copies, refused=refused, latency=latency)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(RingCompletion(RingParams(**SHAPES[shape])))
