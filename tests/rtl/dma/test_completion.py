"""Completion: a status for each copy, in order, and nothing after a fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.completion import Completion
from rtl.dma.jobs import Fault
from rtl.params import DmaParams
from sim.streams import send

from .parts import Writes, netlist

SHAPES = {"smallest": ({"data_width": 32, "addr_width": 32}, 1, 1), "default": ({}, 8, 4),
          "odd": ({"data_width": 512, "addr_width": 57}, 3, 2)}
DATA = {Fault.DMA_SLV, Fault.DMA_DEC}
STATUS_BIT = {Fault.NONE: 0, Fault.DMA_INT: 1 << 28, Fault.DMA_SLV: 1 << 29, Fault.DMA_DEC: 1 << 30}


def model(copies, refused, lanes):
    """Statuses (address, word) and reports of copies (desc, sg, planned fault, end)."""
    statuses, reports = [], []
    for k, (desc, sg, planned, end) in enumerate(copies):
        fault = planned if planned is not Fault.NONE else end
        writes = sg and fault in STATUS_BIT
        if writes:
            statuses.append((desc * 64 + 0x1C, 1 << 31 | STATUS_BIT[fault]))
        lost = writes and k == refused
        if fault is Fault.NONE and not lost:
            reports.append(("completed",))
            continue
        if fault in DATA:
            addr = 0xE000
        elif lost:
            addr = (desc * 64 + 0x1C) // lanes * lanes
        else:
            addr = desc * 64 if fault is not Fault.DMA_INT else 0
        faults = (1 << fault.value if fault is not Fault.NONE else 0) | (
            1 << Fault.SG_DEC.value if lost else 0)
        reports.append(("faulty", faults, addr))
        break
    return statuses, reports


def run(bench, shape, copies, *, stall=0.0, latency=1, seed=0, refused=None):
    args, depth, outstanding = SHAPES[shape]
    dut = Completion(DmaParams(**args), copies=depth, writes=outstanding)
    this = bench(dut)
    bad = copies[refused][0] * 64 if refused is not None and refused < len(copies) else None
    lanes = len(dut.bus.w.p.strb)
    writes = Writes(dut.bus, lambda addr: Resp.DECERR if addr // 64 * 64 == bad else Resp.OKAY,
                    latency=latency, stall=stall, seed=seed)
    statuses, reports = model(copies, refused, lanes)
    this.background(writes.serve)

    @this.background
    async def entries(ctx):
        await send(ctx, dut.entries, [{"label": {"desc": desc, "sg": sg}, "fault": planned}
                                      for desc, sg, planned, _ in copies], stall=stall, seed=seed)

    @this.background
    async def ends(ctx):
        """As the write engine: an end with a fault stays."""
        for _, _, planned, end in copies:
            if planned is not Fault.NONE:
                return
            await send(ctx, dut.finished, [] if end is not Fault.NONE else [
                {"fault": Fault.NONE, "addr": 0}], stall=stall, seed=seed)
            if end is not Fault.NONE:
                ctx.set(dut.finished.payload, {"fault": end, "addr": 0xE000})
                ctx.set(dut.finished.valid, 1)
                return

    @this.testbench
    async def watch(ctx):
        told, quiet = [], 0
        while quiet < 100 + 4 * latency:
            _, _, completed, faulty, faults, addr, answer = await ctx.tick().sample(
                dut.completed, dut.faulty, dut.faults, dut.address, dut.bus.b.valid)
            quiet = 0 if completed or faulty or answer else quiet + 1
            told += [("completed",)] if completed else []
            told += [("faulty", faults, addr)] if faulty else []
            if faulty:
                ctx.set(dut.stop, 1)        # as the registers do
        assert told == reports
        assert not ctx.get(dut.busy)
        if reports[-1][0] == "completed":
            assert not ctx.get(dut.pending)
        if reports[-1][0] == "faulty" and copies[len(reports) - 1][1] and statuses:
            written = [desc for desc, sg, planned, _ in copies[:len(reports)] if sg]
            assert ctx.get(dut.desc) == written[-1]

    this.run()
    got = [(addr, int.from_bytes(bytes(writes.data[addr + k] for k in range(4)), "little"))
           for addr, _ in statuses]
    assert got == statuses
    assert all(count == 4 for _, _, count in writes.log)
    if refused is None:
        assert [addr // lanes for addr, *_ in writes.log] == [addr // lanes for addr, _ in statuses]
    assert writes.most <= outstanding


@st.composite
def works(draw):
    copies = []
    for k in range(draw(st.integers(1, 8))):
        sg = draw(st.sampled_from([1, 1, 1, 0]))
        planned = draw(st.sampled_from([Fault.NONE] * 12 + [
            Fault.DMA_INT, Fault.SG_INT, Fault.SG_SLV, Fault.SG_DEC]))
        end = draw(st.sampled_from([Fault.NONE] * 9 + [Fault.DMA_SLV, Fault.DMA_DEC]))
        copies.append((k * 5 + 1, sg, planned, end))
    return copies


@given(shape=st.sampled_from(sorted(SHAPES)), copies=works(), stall=st.sampled_from([0.0, 0.5]),
       latency=st.sampled_from([1, 12]), seed=st.integers(0, 99))
def test_matches_model(bench, shape, copies, stall, latency, seed):
    run(bench, shape, copies, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("latency", [1, 25])
@pytest.mark.parametrize("end", [Fault.NONE, Fault.DMA_SLV])
@pytest.mark.parametrize("refused", [0, 2])
def test_status_refused(bench, refused, end, latency):
    """No copy after it is reported, though its status may have been written."""
    copies = [(k + 1, 1, Fault.NONE, Fault.NONE) for k in range(5)]
    copies[refused] = (refused + 1, 1, Fault.NONE, end)
    run(bench, "default", copies, refused=refused, latency=latency)


def test_place(bench):
    """Software sets and clears what the descriptor's address reads."""
    dut = Completion(DmaParams(addr_width=40), copies=1, writes=1)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for half, word in ((1, 0x1234_5678), (2, 0xAB)):
            ctx.set(dut.place, half)
            ctx.set(dut.word, word)
            await ctx.tick()
        ctx.set(dut.place, 0)
        assert ctx.get(dut.desc) == 0xAB_1234_5678 >> 6
        ctx.set(dut.forget, 1)
        await ctx.tick()
        assert ctx.get(dut.desc) == 0

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    args, depth, outstanding = SHAPES[shape]
    netlist(Completion(DmaParams(**args), copies=depth, writes=outstanding))
