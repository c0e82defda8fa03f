"""Issue read bursts, and pass on what they return."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.params import DmaParams
from rtl.stream.queue import Queue
from rtl.stream.through import ThroughQueue

from .burst_splitter import BurstLayout
from .jobs import FaultLayout, ReadSignature
from .planner import PlaceLayout
from .realign import BeatLayout

__all__ = ["ReadEngine"]

#: Room for bursts whose address the bus did not take yet.
ASIDE = 4


class ReadEngine(wiring.Component):
    """Read bursts, as whole aligned beats, with room for their data reserved beforehand.

    A burst is asked for in the cycle in which it is offered, if fewer than ``reads_in_flight`` are
    outstanding and a longest burst fits in the ``rows`` that are free; one every cycle, as long as
    three would fit. A few that the bus did not take at once wait for it. Beats are passed on in the
    cycle in which they arrive. The first one with an error, and all that come after it, are not
    passed on, and no further burst is issued.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    page_bytes : int
        Page that bursts do not cross.
    rows : int
        Rows of the store behind; at least two longest bursts.
    joins : bool
        Whether copies may share a row.

    Members
    -------
    bursts : ``In(stream.Signature(BurstLayout(...)))``
        Bursts to read, tagged with :class:`PlaceLayout`.
    bus : ``Out(ReadSignature(...))``
        Bus.
    beats : ``Out(stream.Signature(BeatLayout(...), always_ready=True))``
        Beats without error, in order.
    freed : ``In(1)``
        A row left the store.
    failed : ``Out(1)``, ``failure`` : ``Out(FaultLayout(...))``
        High when the first beat with an error came, and what it was.
    stop : ``In(1)``
        Issue no further burst.
    busy : ``Out(1)``
        A burst is outstanding, or offered to the bus.
    """

    def __init__(self, params: DmaParams, *, page_bytes: int, rows: int, joins: bool = False):
        self._params, self._rows, self._joins = params, rows, joins
        self._bus_bytes = params.data_width // 8
        self._page_beats = page_bytes // self._bus_bytes
        self._place = PlaceLayout(self._bus_bytes, joins=joins)
        super().__init__({
            "bursts": In(stream.Signature(BurstLayout(
                addr_width=params.addr_width, page_bytes=page_bytes, bus_bytes=self._bus_bytes,
                tag=self._place))),
            "bus":     Out(ReadSignature(addr_width=params.addr_width,
                                         data_width=params.data_width)),
            "beats":   Out(stream.Signature(BeatLayout(self._bus_bytes, joins=joins),
                                            always_ready=True)),
            "freed":   In(1),
            "failed":  Out(1),
            "failure": Out(FaultLayout(params.addr_width)),
            "stop":    In(1),
            "busy":    Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        burst, ar, r = self.bursts.p, self.bus.ar, self.bus.r
        low = exact_log2(self._bus_bytes)
        m.submodules.pending = pending = Queue(data.StructLayout({
            "addr": self._params.addr_width, "first": 1, "last": 1, "place": self._place,
        }), self._params.reads_in_flight)

        # What the bus does not take at once is put aside, so that no path leads back from there.
        m.submodules.asked = asked = ThroughQueue(ar.p.shape(), ASIDE)
        connect(m, asked.o, flipped(ar))

        # What allows a burst stays until one is issued. Its rows are taken off a cycle later.
        free = Signal(range(self._rows + 1), init=self._rows)
        may = Signal()
        dead = Signal()                     # an error came
        issue = self.bursts.valid & may
        longest, most = self._page_beats + 1, self._params.reads_in_flight
        issued = Signal()                   # a burst whose rows are not taken off yet
        fits = [(free >= (k + 1) * longest) if (k + 1) * longest <= self._rows else C(0)
                for k in range(3)]
        room = Mux(issue, Mux(issued, fits[2], fits[1]) & (pending.level < most - 1),
                   Mux(issued, fits[1], fits[0]) & (pending.level != most))
        m.d.sync += [issued.eq(issue),
                     may.eq(room & (asked.level < ASIDE // 2) & ~self.stop & ~dead)]
        m.d.comb += [
            asked.i.valid.eq(issue),
            asked.i.p.addr.eq(Cat(C(0, low), burst.addr[low:])),
            asked.i.p.len.eq(burst.len),
            self.bursts.ready.eq(may),
            pending.i.valid.eq(issue),
            pending.i.p.addr.eq(asked.i.p.addr),
            pending.i.p.first.eq(burst.first),
            pending.i.p.last.eq(burst.last),
            pending.i.p.place.eq(burst.tag),
            self.busy.eq(ar.valid | pending.o.valid),
        ]

        # Rows that the burst completes.
        rows = (burst.len + 1 - (burst.first & burst.tag.primes) +
                (burst.last & burst.tag.spills))
        if self._joins:
            rows -= burst.last & burst.tag.open
        claim = Signal(range(longest + 1))
        m.d.sync += [claim.eq(Mux(issue, rows, 0)), free.eq(free + self.freed - claim)]

        begun = Signal()                    # the oldest burst has had its first beat
        error = r.p.resp.as_value()[1]      # SLVERR or DECERR
        m.d.comb += [
            self.beats.valid.eq(r.valid & ~error & ~dead),
            self.beats.p.data.eq(r.p.data),
            self.beats.p.first.eq(pending.o.p.first & ~begun),
            self.beats.p.last.eq(pending.o.p.last & r.p.last),
            self.beats.p.place.eq(pending.o.p.place),
            pending.o.ready.eq(r.valid & r.p.last),
            self.failed.eq(r.valid & error & ~dead),
            self.failure.fault.eq(Cat(r.p.resp, 0, r.p.refused)),
            self.failure.addr.eq(pending.o.p.addr),
        ]
        with m.If(r.valid):
            m.d.sync += begun.eq(~r.p.last)
        with m.If(self.failed):
            m.d.sync += dead.eq(1)
        return m
