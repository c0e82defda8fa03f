"""Native ring, proved for any timing: pointers, and completion after data."""

import pytest
from amaranth import *
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from rtl.dma.ring_fetch import RingFetch
from rtl.dma.write_engine import WriteEngine
from rtl.params import DmaParams
from sim.formal import Refuted, available, prove

from .test_stream import claim_stable

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]


class FetchSpec(wiring.Component):
    """Nothing is asked for beyond the tail, nor without room, nor across a group of eight.

    A burst may begin up to ``early`` slots before it was handed over.
    """

    DEPTH = 11

    def __init__(self, *, early: int = 0):
        self.early = early
        super().__init__({"grow": In(4), "freed": In(2), "ready": In(1), "came": In(1),
                          "run": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = RingFetch(addr_width=32, data_width=128, depth=self.DEPTH)
        ar = dut.bus.ar
        tail, asked = Signal(16), Signal(16)    # slots handed over, and those that were asked for
        due, kept = Signal(8), Signal(8)        # slots on the way, and those not yet given back
        m.d.comb += [
            dut.size_log2.eq(3),
            dut.tail.eq(tail),
            dut.run.eq(self.run),
            ar.ready.eq(self.ready),
            dut.bus.r.valid.eq(self.came),
            dut.freed.eq(self.freed),
            Assume(tail + self.grow - asked <= 8),      # as the ring has eight slots
            Assume(~self.came | (due != 0)),
            Assume(self.freed <= kept),
        ]
        taken = ar.valid & ar.ready
        m.d.sync += [
            tail.eq(tail + self.grow),
            asked.eq(asked + Mux(taken, ar.p.len + 1, 0)),
            due.eq(due + Mux(taken, ar.p.len + 1, 0) - self.came),
            kept.eq(kept + self.came - self.freed),
        ]
        claim_stable(m, ar)
        with m.If(ar.valid):
            m.d.comb += [
                Assert((tail - asked)[:16] >= ar.p.len + 1 + self.early, "beyond the tail"),
                Assert(due + kept + ar.p.len + 1 <= self.DEPTH, "no room"),
                Assert(ar.p.addr[4:7] + ar.p.len < 8, "across a group"),
                Assert(ar.p.addr == (asked[:3] << 4), "another slot"),
            ]
        m.d.comb += Assert((dut.head - asked)[:16] == Mux(ar.valid, ar.p.len + 1, 0), "head")
        return m


def test_pointers(tmp_path):
    prove(FetchSpec(), depth=12, work=tmp_path, mode="bmc")


def test_pointers_have_teeth(tmp_path):
    with pytest.raises(Refuted):
        prove(FetchSpec(early=1), depth=8, work=tmp_path, mode="bmc")


class WriteSpec(wiring.Component):
    """A copy is finished after all its responses; an address comes when its data is complete.

    ``early`` copies may be finished before.
    """

    def __init__(self, *, early: int = 0):
        self.early = early
        super().__init__({"burst": In(1), "len": In(1), "last": In(1), "done": In(2), "row": In(1),
                          "ready": In(3), "answer": In(1)})

    def elaborate(self, platform):
        m = Module()
        params = DmaParams(addr_width=32, data_width=32, reads_in_flight=2, max_beats=2)
        m.submodules.dut = dut = WriteEngine(params, page_bytes=8, rows=8, copies=4)
        bursts, aw, w = dut.bursts, dut.bus.aw, dut.bus.w
        m.d.comb += [
            bursts.valid.eq(self.burst),
            bursts.p.len.eq(self.len),
            bursts.p.end.eq(self.len << 2),
            bursts.p.last.eq(self.last),
            dut.done.eq(self.done),
            dut.rows.valid.eq(self.row),
            Cat(aw.ready, w.ready, dut.finished.ready).eq(self.ready),
            dut.bus.b.valid.eq(self.answer),
        ]
        claim_stable(m, bursts, Assume)

        made, shown = Signal(6), Signal(6)          # rows complete, and rows taken
        claimed, beats = Signal(6), Signal(6)       # beats of addresses, and beats of data
        open_, taken = Signal(3), Signal(3)         # bursts without answer: addressed, and all
        lasts = Signal(6)                           # which of them end a copy
        acked, told = Signal(6), Signal(6)          # copies answered, and copies finished
        take, issue = bursts.valid & bursts.ready, aw.valid & aw.ready
        m.d.comb += [
            Assume(self.done != 3),
            Assume(made + self.done - shown <= 8),
            Assume(~self.row | (made != shown)),
            Assume(~self.answer | ((open_ != 0) & (beats == claimed))),
            Assume(made < 40),
        ]
        after = lasts >> self.answer
        m.d.sync += [
            made.eq(made + self.done),
            shown.eq(shown + (dut.rows.valid & dut.rows.ready)),
            claimed.eq(claimed + Mux(issue, aw.p.len + 1, 0)),
            beats.eq(beats + (w.valid & w.ready)),
            open_.eq(open_ + issue - self.answer),
            taken.eq(taken + take - self.answer),
            lasts.eq(after | (take & self.last) << (taken - self.answer)[:3]),
            acked.eq(acked + (self.answer & lasts[0])),
            told.eq(told + (dut.finished.valid & dut.finished.ready)),
        ]
        m.d.comb += [
            Assert(open_ <= 2, "too many outstanding"),
            Assert(claimed <= made, "an address before its data"),
            Assert(told + self.early <= acked, "finished before the answer"),
            Assert((dut.finished.valid & (told == acked)) == 0, "told before the answer"),
        ]
        return m


def test_completion_after_data(tmp_path):
    prove(WriteSpec(), depth=12, work=tmp_path, mode="bmc")


def test_completion_has_teeth(tmp_path):
    with pytest.raises(Refuted):
        prove(WriteSpec(early=1), depth=8, work=tmp_path, mode="bmc")
