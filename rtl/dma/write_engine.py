"""Issue write bursts whose data is there, and await their responses."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.params import DmaParams
from rtl.stream.queue import Queue

from .burst_splitter import BurstLayout
from .jobs import FaultLayout, WriteSignature
from .planner import FillLayout
from .write_data import LanesLayout, WriteData

__all__ = ["WriteEngine"]


class WriteEngine(wiring.Component):
    """Write bursts, as whole aligned beats with strobes.

    A burst is issued once all its rows are complete, so its data never waits for anything: it can
    not hold up the bus for a read that needs the bus itself, such as the IOMMU's update of a page
    table on behalf of that read. Address and first beat come one and two cycles after the last row
    was reported ``done``; those of a fill at once. Throughput is one beat and one burst a cycle.
    ``bursts.ready`` comes from ``bus.aw.ready``.

    A copy is finished when all its bursts were acknowledged. One whose burst was answered with an
    error, or for which the rows end because a read failed, finishes with that fault after all
    outstanding bursts were answered; nothing is issued any more, and no copy finishes after it.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    page_bytes : int
        Page that bursts do not cross.
    rows : int
        Rows of the store before this.
    copies : int
        Copies that may be waiting for ``finished`` to be taken.
    fill : bool
        Whether there are fills.

    Members
    -------
    bursts : ``In(stream.Signature(BurstLayout(...)))``
        Bursts to write; with ``fill`` tagged with :class:`FillLayout`.
    rows : ``In(stream.Signature(data_width))``
        Data.
    done : ``In(2)``
        Rows that became complete in this cycle.
    bus : ``Out(WriteSignature(...))``
        Bus.
    read_failed : ``In(1)``, ``read_failure`` : ``In(FaultLayout(...))``
        High when a read failed: no row will complete any more.
    finished : ``Out(stream.Signature(FaultLayout(...)))``
        How the oldest copy that was not yet reported ended.
    acked : ``Out(1)``, ``acked_span`` : ``Out(range(page_bytes))``
        High when a burst was written, and its bytes - 1.
    stop : ``In(1)``
        Issue no further burst.
    failed : ``Out(1)``
        A read or a write failed.
    busy : ``Out(1)``
        A burst is outstanding.
    """

    def __init__(self, params: DmaParams, *, page_bytes: int, rows: int, copies: int,
                 fill: bool = False):
        self._params, self._rows, self._copies, self._fill = params, rows, copies, fill
        self._bus_bytes = params.data_width // 8
        self._page_bytes = page_bytes
        fault = FaultLayout(params.addr_width)
        super().__init__({
            "bursts": In(stream.Signature(BurstLayout(
                addr_width=params.addr_width, page_bytes=page_bytes, bus_bytes=self._bus_bytes,
                tag=FillLayout() if fill else 0))),
            "rows":   In(stream.Signature(params.data_width)),
            "done":   In(2),
            "bus":    Out(WriteSignature(addr_width=params.addr_width,
                                         data_width=params.data_width)),
            "read_failed":  In(1),
            "read_failure": In(fault),
            "finished":     Out(stream.Signature(fault)),
            "acked":        Out(1),
            "acked_span":   Out(range(page_bytes)),
            "stop":   In(1),
            "failed": Out(1),
            "busy":   Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        burst, aw, b = self.bursts.p, self.bus.aw, self.bus.b
        low, page_bits = exact_log2(self._bus_bytes), exact_log2(self._page_bytes)
        lanes = {"max_beats": self._page_bytes // self._bus_bytes, "bus_bytes": self._bus_bytes,
                 "fill": self._fill}
        m.submodules.issued = issued = Queue(LanesLayout(**lanes), 4)
        m.submodules.data = beats = WriteData(**lanes)
        m.submodules.pending = pending = Queue(data.StructLayout({
            "addr": self._params.addr_width, "span": range(self._page_bytes), "last": 1,
        }), self._params.reads_in_flight)
        connect(m, issued.o, beats.bursts)
        connect(m, flipped(self.rows), beats.rows)
        connect(m, beats.w, flipped(self.bus.w))

        ready = Signal(range(self._rows + 1))   # complete rows that no burst has claimed
        starved = Signal()                  # a read failed: no row will be added
        broken = Signal()                   # a write failed
        is_fill = Signal()
        if self._fill:
            m.d.comb += [
                is_fill.eq(burst.tag.fill),
                *(issued.i.p[name].eq(burst.tag[name]) for name in FillLayout().members),
                issued.i.p.odd.eq(burst.addr[2]),
            ]
        enough = is_fill | (ready > burst.len)
        issue = Signal()
        m.d.comb += [
            issue.eq(self.bursts.valid & enough & (~aw.valid | aw.ready) & issued.i.ready &
                     pending.i.ready & ~self.stop & ~broken),
            self.bursts.ready.eq(issue),
            issued.i.valid.eq(issue),
            issued.i.p.len.eq(burst.len),
            issued.i.p.head.eq(burst.addr[:low]),
            issued.i.p.tail.eq(burst.end[:low]),
            pending.i.valid.eq(issue),
            pending.i.p.addr.eq(Cat(C(0, low), burst.addr[low:])),
            pending.i.p.span.eq(burst.end - burst.addr[:page_bits]),
            pending.i.p.last.eq(burst.last),
            self.busy.eq(pending.o.valid),
        ]
        m.d.sync += ready.eq(ready + self.done - Mux(issue & ~is_fill, burst.len + 1, 0))
        with m.If(issue):
            m.d.sync += [
                aw.valid.eq(1),
                aw.p.addr.eq(pending.i.p.addr),
                aw.p.len.eq(burst.len),
            ]
        with m.Elif(aw.ready):
            m.d.sync += aw.valid.eq(0)

        error = b.p.resp.as_value()[1]      # SLVERR or DECERR
        good = Signal()
        finish = Signal()
        m.d.comb += [
            pending.o.ready.eq(b.valid),
            good.eq(b.valid & ~error & ~broken),
            self.acked.eq(good),
            self.acked_span.eq(pending.o.p.span),
            finish.eq(good & pending.o.p.last),
            self.failed.eq(starved | broken),
        ]
        failure = Signal.like(self.read_failure)
        with m.If(b.valid & error & ~broken):
            m.d.sync += [
                broken.eq(1),
                failure.fault.eq(Cat(b.p.resp, 0, b.p.refused)),
                failure.addr.eq(pending.o.p.addr),
                failure.write.eq(1),
            ]
        with m.Elif(self.read_failed & ~broken):
            m.d.sync += failure.eq(self.read_failure)
        with m.If(self.read_failed):
            m.d.sync += starved.eq(1)

        count = Signal(range(self._copies + 1))     # finished, not yet reported
        stuck = Signal()
        m.d.sync += stuck.eq(~pending.o.valid &
                             (broken | starved & self.bursts.valid & ~enough))
        m.d.comb += self.finished.valid.eq((count != 0) | stuck)
        with m.If(count == 0):
            m.d.comb += self.finished.p.eq(failure)
        m.d.sync += count.eq(count + finish -
                             (self.finished.valid & self.finished.ready & (count != 0)))
        return m
