"""One interrupt for several completions."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["DELAY_CYCLES", "Coalescer"]

#: Cycles of a unit of the delay timer.
DELAY_CYCLES = 125


class Coalescer(wiring.Component):
    """Count completions down to an interrupt, and report what is left over after a while.

    ``ioc`` comes in the cycle of the completion that is the ``threshold``-th since the last
    interrupt. If there were fewer, then with a ``delay`` ``dly`` comes when so long nothing has
    completed; without, ``ioc`` comes in the first cycle in which the engine is ``idle``.

    Members
    -------
    threshold : ``In(8)``
        Completions for each interrupt; not zero.
    delay : ``In(8)``
        Units of :data:`DELAY_CYCLES` cycles, or 0 for none.
    reload : ``In(1)``
        Count from ``threshold`` again.
    completed : ``In(1)``
        A completion.
    idle : ``In(1)``
        Nothing more will complete without a new start.
    ioc, dly : ``Out(1)``
        Interrupts, for one cycle.
    left : ``Out(8)``
        Completions left until the next interrupt.
    waited : ``Out(8)``
        Units since the last completion, if it was not reported.

    Source
    ------
    AMD PG034, section "SG Interrupt Threshold and Interrupt Coalescing"; PG021, "Interrupts". They
    report no remainder without a delay.
    """

    threshold: In(8, init=1)
    delay: In(8)
    reload: In(1)
    completed: In(1)
    idle: In(1)
    ioc: Out(1)
    dly: Out(1)
    left: Out(8, init=1)
    waited: Out(8)

    def elaborate(self, platform):
        m = Module()

        untold = Signal()                   # a completion was not reported
        final = Signal(init=1)              # one is left
        timed = self.delay != 0
        m.d.comb += [
            self.ioc.eq(self.completed & final | self.idle & untold & ~timed),
            self.dly.eq(untold & timed & (self.waited >= self.delay) & ~self.completed),
        ]
        with m.If(self.completed | self.ioc | self.dly):
            m.d.sync += untold.eq(self.completed & ~self.ioc)
        with m.If(self.reload | self.ioc | self.dly):
            m.d.sync += [self.left.eq(self.threshold), final.eq(self.threshold == 1)]
        with m.Elif(self.completed):
            m.d.sync += [self.left.eq(self.left - 1), final.eq(self.left == 2)]

        cycle = Signal(range(DELAY_CYCLES))
        with m.If(self.completed | self.dly | ~untold | ~timed):
            m.d.sync += [cycle.eq(0), self.waited.eq(0)]
        with m.Elif(cycle == DELAY_CYCLES - 1):
            m.d.sync += [cycle.eq(0), self.waited.eq(self.waited + 1)]
        with m.Else():
            m.d.sync += cycle.eq(cycle + 1)
        return m
