"""Issue write bursts whose data is there, and await their responses."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.params import DmaParams
from rtl.stream.head import HeadQueue
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
    table on behalf of that read. Address and first beat come two and three cycles after the last
    row was reported ``done``; those of a fill at once. Throughput is one beat and one burst a
    cycle.
    Up to four addresses and as many beats wait for the bus.

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

        b = self.bus.b
        low, page_bits = exact_log2(self._bus_bytes), exact_log2(self._page_bytes)
        lanes = {"max_beats": self._page_bytes // self._bus_bytes, "bus_bytes": self._bus_bytes,
                 "fill": self._fill}
        m.submodules.issued = issued = HeadQueue(LanesLayout(**lanes), 4)
        m.submodules.data = beats = WriteData(**lanes)
        m.submodules.pending = pending = Queue(data.StructLayout({
            "addr": self._params.addr_width, "span": range(self._page_bytes), "last": 1,
        }), self._params.reads_in_flight)
        connect(m, issued.o, beats.bursts)
        connect(m, flipped(self.rows), beats.rows)
        connect(m, beats.w, flipped(self.bus.w))
        m.submodules.aw = aw = Queue(self.bus.aw.p.shape(), 4)
        connect(m, aw.o, flipped(self.bus.aw))

        # The next burst stands by itself. Its rows are taken off those that are complete and that
        # no burst has claimed: what is left is negative as long as there are too few.
        burst, held = Signal.like(self.bursts.p), Signal()
        left = Signal(range(-self._rows, self._rows + 1))
        enough, load = ~left[-1], Signal()
        starved = Signal()                  # a read failed: no row will be added
        broken = Signal()                   # a write failed
        if self._fill:
            m.d.comb += [
                *(issued.i.p[name].eq(burst.tag[name]) for name in FillLayout().members),
                issued.i.p.odd.eq(burst.addr[2]),
            ]
        # What else allows a burst stays until one is issued: room for one, and a cycle later still.
        issue, may = Signal(), Signal()
        most = self._params.reads_in_flight
        room = (aw.level < 3) & (issued.level < 3) & Mux(
            issue, pending.level < most - 1, pending.level < most)
        m.d.sync += may.eq(room & ~self.stop & ~broken)
        m.d.comb += [
            issue.eq(held & enough & may),
            self.bursts.ready.eq(~held | issue),
            load.eq(self.bursts.valid & self.bursts.ready),
            aw.i.valid.eq(issue),
            aw.i.p.addr.eq(pending.i.p.addr),
            aw.i.p.len.eq(burst.len),
            issued.i.valid.eq(issue),
            issued.i.p.len.eq(burst.len),
            issued.i.p.head.eq(burst.addr[:low]),
            issued.i.p.tail.eq(burst.end[:low]),
            pending.i.valid.eq(issue),
            pending.i.p.addr.eq(Cat(C(0, low), burst.addr[low:])),
            pending.i.p.span.eq(burst.end - burst.addr[:page_bits]),
            pending.i.p.last.eq(burst.last),
            self.busy.eq(pending.o.valid | issue),
        ]
        m.d.sync += held.eq(self.bursts.valid | held & ~issue)
        takes = load & ~self.bursts.p.tag.fill if self._fill else load
        claims = Cat(~self.bursts.p.len, 1).as_signed()     # as many, and negative
        m.d.sync += left.eq(left + self.done + Mux(takes, claims, 0))
        with m.If(load):
            m.d.sync += burst.eq(self.bursts.p)

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
        some, stuck = Signal(), Signal()
        told = some & self.finished.ready
        some_left = Mux(finish == told, some, ~told | (count != 1))
        m.d.comb += stuck.eq(~pending.o.valid &
                             (broken & ~may | starved & held & ~enough))
        m.d.sync += [some.eq(some_left), self.finished.valid.eq(some_left | stuck)]
        with m.If(finish != told):
            m.d.sync += count.eq(Mux(told, count - 1, count + 1))
        with m.If(~some):
            m.d.comb += self.finished.p.eq(failure)
        return m
