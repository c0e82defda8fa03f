"""Plan how buffers follow each other in the packets of a stream."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.params import StreamParams

from .burst_splitter import RunLayout
from .jobs import SPAN_BITS, EntryLayout, Fault, ListLabel
from .planner import PlaceLayout
from .stream_jobs import BufferLayout, PartLayout

__all__ = ["Packer"]


class Packer(wiring.Component):
    """Hand a buffer to the read side, to the stream and to completion, all in one cycle.

    The bytes of a packet follow each other without a gap, whatever the lengths and addresses of its
    buffers: a buffer begins in the lane in which the one before it ended, in the same row. A buffer
    that runs past the highest address gets :attr:`Fault.DMA_INT`. One with a fault goes to
    completion alone, and nothing follows it until reset. Latency is one cycle; throughput is one
    buffer every two cycles.

    Parameters
    ----------
    params : StreamParams
        Parameters.

    Members
    -------
    buffers : ``In(stream.Signature(BufferLayout(...)))``
        Buffers.
    reads : ``Out(stream.Signature(RunLayout(...)))``
        Bytes to read, tagged with :class:`PlaceLayout`.
    parts : ``Out(stream.Signature(PartLayout(...)))``
        Rows of the packet.
    entries : ``Out(stream.Signature(EntryLayout(...)))``
        Every buffer, in order.
    """

    def __init__(self, params: StreamParams):
        self._params = params
        self._bus_bytes = params.data_width // 8
        super().__init__({
            "buffers": In(stream.Signature(BufferLayout(params.addr_width))),
            "reads":   Out(stream.Signature(RunLayout(
                addr_width=params.addr_width, span_width=SPAN_BITS,
                tag=PlaceLayout(self._bus_bytes, joins=True)))),
            "parts":   Out(stream.Signature(PartLayout(self._bus_bytes))),
            "entries": Out(stream.Signature(EntryLayout(ListLabel(
                params.addr_width, noted=True)))),
        })

    def elaborate(self, platform):
        m = Module()

        buffer, run, part, entry = self.buffers.p, self.reads.p, self.parts.p, self.entries.p
        lanes = exact_log2(self._bus_bytes)

        # What has to be worked out takes a cycle, in which the buffer waits at the input.
        known, bad, carries, halted = Signal(), Signal(), Signal(), Signal()
        lane = Signal(lanes)                # of the packet's next byte
        src_end, end = Signal(lanes), Signal(SPAN_BITS + 1)     # end: from the row's first lane
        m.d.comb += [
            src_end.eq(buffer.addr + buffer.span),
            end.eq(lane + buffer.span),
        ]
        partial = ~buffer.eof & ~end[:lanes].all()              # the last row is not complete
        m.d.sync += [
            known.eq(self.buffers.valid & ~self.buffers.ready),
            run.tag.rotate.eq(lane - buffer.addr),
            run.tag.primes.eq(lane < buffer.addr[:lanes]),
            run.tag.spills.eq(end[:lanes] < src_end),
            run.tag.head.eq(lane),
            run.tag.open.eq(partial),
            part.lanes.len.eq(end[lanes:] - partial),
            part.lanes.tail.eq(Mux(buffer.eof, end[:lanes], ~0)),
            part.none.eq(partial & (end[lanes:] == 0)),
            bad.eq(buffer.fault != Fault.NONE),
            # If all other bits are ones, then a carry out of the low bits is an overflow.
            carries.eq((buffer.addr[:SPAN_BITS] + buffer.span)[-1] &
                       buffer.addr[SPAN_BITS:].all()),
        ]
        m.d.comb += [
            run.addr.eq(buffer.addr),
            run.span.eq(buffer.span),
            part.eof.eq(buffer.eof),
            entry.label.desc.eq(buffer.desc),
            entry.label.sg.eq(buffer.sg),
            entry.label.note.eq((buffer.span + 1)[:SPAN_BITS]),
            entry.label.counts.eq(buffer.eof),
            entry.fault.eq(buffer.fault),
        ]
        with m.If(carries & ~bad):
            m.d.comb += entry.fault.eq(Fault.DMA_INT)

        faulty = bad | carries
        valid = known & ~halted
        room = self.reads.ready & self.parts.ready
        m.d.comb += [
            self.entries.valid.eq(valid & (faulty | room)),
            self.reads.valid.eq(valid & ~faulty & self.parts.ready & self.entries.ready),
            self.parts.valid.eq(valid & ~faulty & self.reads.ready & self.entries.ready),
            self.buffers.ready.eq(valid & (faulty | room) & self.entries.ready),
        ]
        with m.If(self.buffers.ready):
            m.d.sync += lane.eq(Mux(buffer.eof, 0, end[:lanes] + 1))
            with m.If(faulty):
                m.d.sync += halted.eq(1)
        return m
