"""Go on behind a descriptor that failed."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.params import RingParams

from .jobs import Fault
from .ring_frontend import RingLabel

__all__ = ["RingProceed"]


class RingProceed(wiring.Component):
    """Empty the pipeline after a fault, and fetch again from behind the descriptor that failed.

    What was begun behind that descriptor has no completion yet, and is done again. Accesses of the
    rings must work: when one of those failed, nothing happens here. Fetching goes on five cycles
    after the last outstanding access was answered.

    Parameters
    ----------
    params : RingParams
        Parameters.

    Members
    -------
    enable : ``In(1)``
        Go on.
    faulty : ``In(1)``, ``fault`` : ``In(Fault)``, ``label`` : ``In(RingLabel(params))``
        See :class:`~rtl.dma.ring_completion.RingCompletion`.
    tail : ``In(16)``, ``cyclic`` : ``In(1)``
        Behind the slot before ``tail`` comes slot 0, if ``cyclic``.
    stop, busy : ``In(1)``
        Nothing more is issued; accesses are outstanding.
    asked : ``In(1)``, ``wanted`` : ``In(16)``
        Software sets where to fetch.
    place : ``Out(1)``, ``number`` : ``Out(16)``
        Set where to fetch.
    hold : ``Out(1)``
        Issue nothing more.
    clear : ``Out(1)``
        Forget what is in the pipeline.
    pending : ``Out(1)``
        There may be something left to do.
    """

    def __init__(self, params: RingParams):
        super().__init__({
            "enable":  In(1),
            "faulty":  In(1),
            "fault":   In(Fault),
            "label":   In(RingLabel(params)),
            "tail":    In(16),
            "cyclic":  In(1),
            "stop":    In(1),
            "busy":    In(1),
            "asked":   In(1),
            "wanted":  In(16),
            "place":   Out(1),
            "number":  Out(16),
            "hold":    Out(1),
            "clear":   Out(1),
            "pending": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        at, more = Signal(16), Signal()         # a slot of the descriptor, and whether one follows
        after = Signal(16)
        m.d.comb += [
            after.eq(at + 1),
            self.place.eq(self.asked),
            self.number.eq(self.wanted),
        ]
        with m.FSM():
            with m.State("WATCH"):
                with m.If(self.faulty & self.enable & ~self.fault.as_value()[2]):
                    m.d.sync += [at.eq(self.label.slot), more.eq(self.label.long)]
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += [self.pending.eq(1), self.hold.eq(1)]
                m.d.sync += [at.eq(after), more.eq(0)]
                with m.If(self.cyclic & (after == self.tail)):
                    m.d.sync += at.eq(0)
                with m.If(~more):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.comb += [self.pending.eq(1), self.hold.eq(1)]
                with m.If(self.stop & ~self.busy):
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += [self.pending.eq(1), self.hold.eq(1), self.clear.eq(1)]
                m.next = "PLACE"
            with m.State("PLACE"):
                m.d.comb += [self.pending.eq(1), self.hold.eq(1)]
                m.d.comb += [self.place.eq(1), self.number.eq(at)]
                m.next = "RELEASE"
            with m.State("RELEASE"):            # `stop` falls a cycle after `hold`
                m.d.comb += self.pending.eq(1)
                m.next = "WATCH"
        return m
