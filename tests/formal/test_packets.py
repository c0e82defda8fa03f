"""What a stream brought is what buffers are said to have, and what is written."""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from rtl.dma.jobs import SPAN_BITS
from rtl.dma.stream_in import StreamIn
from rtl.params import StreamParams
from sim.formal import Refuted, available, prove

from .test_stream import claim_stable

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]

PAGE, BUS = 8, 4                        # bytes


class PacketSpec(wiring.Component):
    """Of an arbitrary buffer, its status counts the bytes of its runs; no byte is told twice.

    ``more`` bytes may be missing in that count.
    """

    def __init__(self, *, more: int = 0):
        self.more = more
        super().__init__({"beat": In(1), "kept": In(2), "last": In(1), "buffer": In(1),
                          "addr": In(3), "span": In(3), "ready": In(2)})

    def elaborate(self, platform):
        m = Module()
        params = StreamParams(addr_width=32, data_width=8 * BUS, reads_in_flight=2, max_beats=2)
        m.submodules.dut = dut = StreamIn(params, page_bytes=PAGE, rows=32)
        t, buffers, runs, entries = dut.t, dut.buffers, dut.runs, dut.entries
        m.d.comb += [
            t.valid.eq(self.beat),
            t.p.last.eq(self.last),
            t.p.keep.eq((2 << self.kept) - 1),
            Assume(self.last | (self.kept == BUS - 1)),
            buffers.valid.eq(self.buffer),
            buffers.p.addr.eq(self.addr),
            buffers.p.span.eq(self.span),
            buffers.p.sg.eq(1),
            Cat(runs.ready, entries.ready).eq(self.ready),
        ]
        for port in (t, buffers):
            claim_stable(m, port, Assume)
        for port in (runs, entries):
            claim_stable(m, port)

        came, told, written = Signal(8), Signal(8), Signal(8)       # bytes
        chosen = AnyConst(3)
        buffer, entry = Signal(3), Signal(3)            # of runs, and of entries
        its_runs, its_count = Signal(8), Signal(8)      # of the chosen buffer
        run_bytes, count = Signal(8), Signal(8)
        run, entered = runs.valid & runs.ready, entries.valid & entries.ready
        known = Signal(2)
        m.d.comb += [
            run_bytes.eq(runs.p.span + 1),
            count.eq(entries.p.label.note[:SPAN_BITS]),
        ]
        m.d.sync += [
            came.eq(came + Mux(t.valid & t.ready, self.kept + 1, 0)),
            written.eq(written + Mux(run, run_bytes, 0)),
            told.eq(told + Mux(entered, count, 0)),
            buffer.eq(buffer + (run & runs.p.tag)),
            entry.eq(entry + entered),
        ]
        with m.If(run & (buffer == chosen)):
            m.d.sync += [its_runs.eq(its_runs + run_bytes), known[0].eq(runs.p.tag)]
        with m.If(entered & (entry == chosen)):
            m.d.sync += [its_count.eq(count + self.more), known[1].eq(1)]
        with m.If(known.all()):
            m.d.comb += Assert(its_runs == its_count, "another number of bytes")
        m.d.comb += [
            Assert(told <= came, "more than came"),
            Assert(written <= came, "more written than came"),
        ]
        return m


def test_bytes_of_packets(tmp_path):
    prove(PacketSpec(), depth=8, work=tmp_path, mode="bmc")


def test_has_teeth(tmp_path):
    with pytest.raises(Refuted):
        prove(PacketSpec(more=1), depth=7, work=tmp_path, mode="bmc")
