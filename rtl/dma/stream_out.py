"""Send complete rows as the packets of a stream."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.stream import Signature
from rtl.params import StreamParams
from rtl.stream.queue import Queue

from .jobs import FaultLayout
from .stream_jobs import PartLayout, max_rows
from .write_data import WriteData

__all__ = ["StreamOut"]

#: Beats of buffers that were told to be sent which may wait for the stream.
BEATS = 2


class StreamOut(wiring.Component):
    """Send rows, and tell when a buffer is done with.

    All beats of a packet are full but the last. A buffer is finished when it was read and its
    complete rows are on their way; one whose reads failed finishes with that fault, and no other
    after it. Latency is one cycle from a row to its beat; throughput is one beat a cycle, from
    packet to packet too.

    Parameters
    ----------
    params : StreamParams
        Parameters.
    buffers : int
        Buffers that may be under way.

    Members
    -------
    rows : ``In(stream.Signature(data_width))``
        Complete rows.
    parts : ``In(stream.Signature(PartLayout(...)))``
        What each buffer adds to its packet.
    arrived : ``In(1)``
        The last beat of a buffer was read.
    read_failed : ``In(1)``, ``read_failure`` : ``In(FaultLayout(...))``
        High when a read failed: nothing more will arrive.
    t : ``Out(stream.Signature(...))``
        Beats, as those of an AXI4-Stream.
    finished : ``Out(stream.Signature(FaultLayout(...)))``
        How the oldest buffer that was not yet reported ended.
    acked : ``Out(1)``, ``acked_span`` : ``Out(12)``
        High when a beat was taken, and its bytes - 1.
    """

    def __init__(self, params: StreamParams, *, buffers: int):
        self._params, self._buffers = params, buffers
        self._part = PartLayout(params.data_width // 8)
        super().__init__({
            "rows":    In(stream.Signature(params.data_width)),
            "parts":   In(stream.Signature(self._part)),
            "arrived": In(1),
            "read_failed":  In(1),
            "read_failure": In(FaultLayout(params.addr_width)),
            "t":        Out(Signature(data_width=params.data_width).members["t"].signature),
            "finished": Out(stream.Signature(FaultLayout(params.addr_width))),
            "acked":      Out(1),
            "acked_span": Out(12),
        })

    def elaborate(self, platform):
        m = Module()

        bus_bytes = self._params.data_width // 8
        m.submodules.waiting = waiting = Queue(self._part, self._buffers)
        m.submodules.data = beats = WriteData(
            max_beats=max_rows(bus_bytes), bus_bytes=bus_bytes, depth=BEATS)
        connect(m, flipped(self.parts), waiting.i)
        connect(m, flipped(self.rows), beats.rows)

        part, t, w = waiting.o.p, self.t, beats.w
        # What ends with the last row of a part, as long as that is on its way.
        m.submodules.marks = marks = Queue(data.StructLayout({
            "eof": 1, "tail": part.lanes.tail.shape()}), BEATS)
        m.d.comb += [
            marks.i.valid.eq(beats.bursts.valid & beats.bursts.ready),
            marks.i.p.eof.eq(part.eof),
            marks.i.p.tail.eq(part.lanes.tail),
            marks.o.ready.eq(w.valid & w.ready & w.p.last),
            beats.bursts.valid.eq(waiting.o.valid & ~part.none),
            beats.bursts.p.eq(part.lanes),
            waiting.o.ready.eq(part.none | beats.bursts.ready),
            t.valid.eq(w.valid),
            w.ready.eq(t.ready),
            t.p.data.eq(w.p.data),
            t.p.keep.eq(w.p.strb),
            t.p.last.eq(w.p.last & marks.o.p.eof),
            self.acked.eq(t.valid & t.ready),
            self.acked_span.eq(Mux(w.p.last, marks.o.p.tail, bus_bytes - 1)),
        ]

        # Of buffers that were not reported: how many were sent, and how many were read.
        sent, read = (Signal(range(2 * self._buffers + 2), name=name) for name in ("sent", "read"))
        failed, failure = Signal(), Signal.like(self.read_failure)
        with m.If(self.read_failed):
            m.d.sync += [failed.eq(1), failure.eq(self.read_failure)]
        good = (sent != 0) & (read != 0)
        m.d.comb += self.finished.valid.eq(good | failed & (read == 0))
        with m.If(~good):
            m.d.comb += self.finished.p.eq(failure)
        over = good & self.finished.ready
        m.d.sync += [
            sent.eq(sent + (waiting.o.valid & waiting.o.ready) - over),
            read.eq(read + self.arrived - over),
        ]
        return m
