"""Everything between a copy and its bytes: plan, read, realign, write."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import DmaParams
from rtl.stream.queue import Queue

from .burst_splitter import BurstSplitter
from .jobs import SPAN_BITS, EntryLayout, FaultLayout, JobLayout, ReadSignature, WriteSignature
from .planner import PlaceLayout, Planner
from .read_engine import ReadEngine
from .realign import Realigner
from .write_engine import WriteEngine

__all__ = ["Mover"]


class Mover(wiring.Component):
    """Move the bytes of copies; wiring only.

    ::

        jobs -> planner -+-> reads -> read_engine -> realigner -+
                 |       +-> writes -------------> write_engine <+-> finished
                 +-> entries

    Copies follow each other without a gap, and start and end in order. Parameters, room and errors
    are as :class:`~rtl.dma.dma.Dma` says.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    label : shape-like
        What an entry keeps of its copy.
    fill : bool
        Whether there are fills. They need no reads.

    Members
    -------
    jobs : ``In(stream.Signature(JobLayout(..., fill=fill)))``
        Copies.
    entries : ``Out(stream.Signature(EntryLayout(label)))``
        Every copy, in order; one with a fault is the last, and is not carried out.
    finished : ``Out(stream.Signature(FaultLayout(...)))``
        Ends of those that were carried out. Stays as it is once it shows a fault.
    reads : ``Out(ReadSignature(...))``, ``writes`` : ``Out(WriteSignature(...))``
        Buses.
    acked : ``Out(1)``, ``acked_span`` : ``Out(12)``
        A burst was written, and its bytes - 1.
    stop : ``In(1)``
        Issue no further burst.
    busy : ``Out(1)``
        Bursts are outstanding.
    pending : ``Out(1)``
        A copy was taken whose entry is still to come.
    """

    def __init__(self, params: DmaParams, *, label: ShapeLike, fill: bool = False):
        self._params, self._label, self._fill = params, label, fill
        widths = {"addr_width": params.addr_width, "data_width": params.data_width}
        super().__init__({
            "jobs":       In(stream.Signature(JobLayout(params.addr_width, label, fill=fill))),
            "entries":    Out(stream.Signature(EntryLayout(label))),
            "finished":   Out(stream.Signature(FaultLayout(params.addr_width))),
            "reads":      Out(ReadSignature(**widths)),
            "writes":     Out(WriteSignature(**widths)),
            "acked":      Out(1),
            "acked_span": Out(12),
            "stop":       In(1),
            "busy":       Out(1),
            "pending":    Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        bus_bytes, in_flight = params.data_width // 8, params.reads_in_flight
        cut = {"addr_width": params.addr_width, "span_width": SPAN_BITS, "bus_bytes": bus_bytes,
               "max_beats": params.max_beats}
        m.submodules.to_read = to_read = BurstSplitter(**cut, tag=PlaceLayout(bus_bytes))
        m.submodules.planner = planner = Planner(
            addr_width=params.addr_width, bus_bytes=bus_bytes, label=self._label, fill=self._fill)
        m.submodules.to_write = to_write = BurstSplitter(**cut, tag=planner.writes.p.tag.shape())
        # Bursts wait here for their rows, and copies behind them may be read meanwhile.
        m.submodules.waiting = waiting = Queue(to_write.bursts.p.shape(), 2 * in_flight)
        sizes = {"page_bytes": to_read.page_bytes,
                 "rows": 2 * in_flight * to_read.page_bytes // bus_bytes}
        m.submodules.reader = reader = ReadEngine(params, **sizes)
        m.submodules.realigner = realigner = Realigner(bus_bytes=bus_bytes, depth=sizes["rows"])
        m.submodules.writer = writer = WriteEngine(
            params, **sizes, copies=4 * in_flight, fill=self._fill)

        connect(m, flipped(self.jobs), planner.jobs)
        connect(m, planner.reads, to_read.runs)
        connect(m, planner.writes, to_write.runs)
        connect(m, planner.entries, flipped(self.entries))
        connect(m, to_read.bursts, reader.bursts)
        connect(m, reader.beats, realigner.beats)
        connect(m, realigner.rows, writer.rows)
        connect(m, to_write.bursts, waiting.i)
        connect(m, waiting.o, writer.bursts)
        connect(m, writer.finished, flipped(self.finished))
        connect(m, reader.bus, flipped(self.reads))
        connect(m, writer.bus, flipped(self.writes))

        m.d.comb += [
            # Room in the store, and how far it is filled.
            reader.freed.eq(realigner.rows.valid & realigner.rows.ready),
            writer.done.eq(realigner.done),
            writer.read_failed.eq(reader.failed),
            writer.read_failure.eq(reader.failure),
            # Progress, and stop.
            self.acked.eq(writer.acked),
            self.acked_span.eq(writer.acked_span),
            self.busy.eq(reader.busy | writer.busy),
            self.pending.eq(planner.pending),
            reader.stop.eq(self.stop | writer.failed),
            writer.stop.eq(self.stop),
        ]
        return m
