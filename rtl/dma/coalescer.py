"""One interrupt for several completions."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Coalescer"]


class Coalescer(wiring.Component):
    """Count completions down to an interrupt.

    The interrupt comes in the cycle of the completion that is the ``threshold``-th since the last
    one, or, if there were fewer, in the first cycle in which the engine is ``idle``.

    Members
    -------
    threshold : ``In(8)``
        Completions for each interrupt; not zero.
    reload : ``In(1)``
        Count from ``threshold`` again.
    completed : ``In(1)``
        A completion.
    idle : ``In(1)``
        Nothing more will complete without a new start.
    ioc : ``Out(1)``
        Interrupt, for one cycle.
    left : ``Out(8)``
        Completions left until the next interrupt.

    Source
    ------
    AMD PG034, section "SG Interrupt Threshold and Interrupt Coalescing". It reports a remainder by
    a delay timer instead.
    """

    threshold: In(8, init=1)
    reload: In(1)
    completed: In(1)
    idle: In(1)
    ioc: Out(1)
    left: Out(8, init=1)

    def elaborate(self, platform):
        m = Module()

        untold = Signal()                   # a completion was not reported
        m.d.comb += self.ioc.eq(self.completed & (self.left == 1) | self.idle & untold)
        with m.If(self.completed | self.ioc):
            m.d.sync += untold.eq(~self.ioc)
        with m.If(self.reload | self.ioc):
            m.d.sync += self.left.eq(self.threshold)
        with m.Elif(self.completed):
            m.d.sync += self.left.eq(self.left - 1)
        return m
