"""Burst splitter and realigner, proved for any run, any offsets and any stalls."""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.dma.burst_splitter import BurstLayout, BurstSplitter, RunLayout
from rtl.dma.realign import BeatLayout, Realigner
from sim.formal import Refuted, available, prove

from .test_stream import claim_stable

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]


class SplitterSpec(wiring.Component):
    """Bursts begin where the one before ended, stay in a page, and end where the run does.

    ``lost`` bytes may be missing in front of each burst.
    """

    def __init__(self, *, lost: int = 0):
        self.dut = BurstSplitter(addr_width=12, span_width=8, bus_bytes=4, max_beats=4)
        self.lost = lost
        super().__init__({
            "runs": In(stream.Signature(RunLayout(addr_width=12, span_width=8))),
            "bursts": Out(stream.Signature(BurstLayout(
                addr_width=12, page_bytes=16, bus_bytes=4))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        connect(m, flipped(self.runs), dut.runs)
        connect(m, dut.bursts, flipped(self.bursts))
        run, burst = dut.runs.p, dut.bursts.p
        claim_stable(m, dut.runs, Assume)
        claim_stable(m, dut.bursts)
        end = Signal(13)                        # of the run, beyond its last byte
        m.d.comb += end.eq(run.addr + run.span + 1)
        with m.If(dut.runs.valid):
            m.d.comb += Assume(end <= 1 << 12)

        at, stop, open_ = Signal(13), Signal(13), Signal()
        after = Signal(13)
        m.d.comb += after.eq(Cat(burst.end, burst.addr[4:]) + 1)
        with m.If(dut.bursts.valid):
            m.d.comb += [
                Assert(open_, "a burst without a run"),
                Assert(burst.addr == at + self.lost, "a gap, or bytes twice"),
                Assert(burst.end >= burst.addr[:4], "empty"),
                Assert(burst.len == burst.end[2:] - burst.addr[2:4], "beats"),
                Assert(burst.last == (after == stop), "the end of the run"),
                Assert(after <= stop, "beyond the run"),
            ]
            with m.If(dut.bursts.ready):
                m.d.sync += [at.eq(after), open_.eq(~burst.last)]
        with m.Else():
            m.d.comb += Assert(~open_, "the rest of a run is lost")
        with m.If(dut.runs.valid & dut.runs.ready):     # also together with the last burst
            m.d.sync += [at.eq(run.addr), stop.eq(end), open_.eq(1)]
        return m


def test_splitter(tmp_path):
    """A burst is within a page by its form: ``addr``, and ``end`` as an offset in that page."""
    prove(SplitterSpec(), depth=9, work=tmp_path, mode="bmc")


def test_splitter_has_teeth(tmp_path):
    with pytest.raises(Refuted):
        prove(SplitterSpec(lost=1), depth=6, work=tmp_path, mode="bmc")


class RealignSpec(wiring.Component):
    """Any byte of any copy comes out once, in its row and lane.

    One byte is watched: its place in the stream of bytes that were read is free, and with it which
    copy it belongs to. ``shift`` rows may be between where it should be and where it is.
    """

    BUS, DEPTH = 2, 4

    def __init__(self, *, shift: int = 0):
        self.shift = shift
        super().__init__({
            "beat": In(BeatLayout(self.BUS)),
            "came": In(1),
            "ready": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Realigner(bus_bytes=self.BUS, depth=self.DEPTH)
        beat = self.beat
        m.d.comb += [
            dut.beats.payload.eq(beat),
            dut.beats.valid.eq(self.came),
            dut.rows.ready.eq(self.ready),
        ]

        # Beats come in copies, with one place each, and only if there is room.
        within, where = Signal(), Signal.like(beat.place)
        made, taken = Signal(6), Signal(6)      # rows that were sent for, and that came out
        primes, spills = beat.first & beat.place.primes, beat.last & beat.place.spills
        rows = Signal(2)
        m.d.comb += rows.eq(1 - primes + spills)
        with m.If(self.came):
            m.d.comb += [
                Assume(beat.first == ~within),
                Assume((made + rows - taken)[:6] < self.DEPTH),
                # From lane 0 nothing wraps: such a copy neither primes nor spills.
                Assume(beat.place.rotate.any() | ~(beat.place.primes | beat.place.spills)),
                # One beat that does not fill the first row must have bytes of the next.
                Assume(~(beat.first & beat.last & beat.place.primes) | beat.place.spills),
            ]
            with m.If(within):
                m.d.comb += Assume(beat.place == where)
            m.d.sync += [within.eq(~beat.last), where.eq(beat.place), made.eq(made + rows)]

        # Row and lane of each byte of a beat: lanes move up; what wraps is of the row after.
        number, lane = AnyConst(3), AnyConst(range(self.BUS))       # the watched beat, and lane
        count, known = Signal(6), Signal()
        value, row, to = Signal(8), Signal(6), Signal(range(self.BUS))
        target = Signal(2)
        m.d.comb += target.eq(lane + beat.place.rotate)
        wraps = target[1]
        with m.If(self.came):
            m.d.sync += count.eq(count + 1)
            # A byte in front of the first row, or behind the last, is none of the copy.
            with m.If((count == number) & ~(primes & ~wraps) &
                      ~(beat.last & ~beat.place.spills & wraps & ~primes)):
                m.d.sync += [known.eq(1), value.eq(beat.data.word_select(lane, 8)),
                             to.eq(target[0]), row.eq(made + (wraps & ~primes))]
        with m.If(dut.rows.valid):
            m.d.comb += Assert((made - taken)[:6] != 0, "a row that was never sent")
            with m.If(known & (row == (taken + self.shift)[:6])):
                m.d.comb += Assert(dut.rows.payload.word_select(to, 8) == value, "a byte changed")
            with m.If(dut.rows.ready):
                m.d.sync += taken.eq(taken + 1)
        told = Signal(6)
        m.d.sync += told.eq(told + dut.done)
        m.d.comb += Assert((made - told)[:6] <= 2, "rows told")
        return m


def test_realigner(tmp_path):
    prove(RealignSpec(), depth=8, work=tmp_path, mode="bmc")


def test_realigner_has_teeth(tmp_path):
    with pytest.raises(Refuted):
        prove(RealignSpec(shift=1), depth=8, work=tmp_path, mode="bmc")
