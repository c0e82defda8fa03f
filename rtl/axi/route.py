"""Addresses to one of several targets, such that responses come back in order."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Route"]


class Route(wiring.Component):
    """Send each address to its target, but wait before a change of target until all answers came.

    Then responses of one ID cannot overtake each other, and only one target answers at a time.
    Combinational: no latency, one address a cycle to the same target.

    Parameters
    ----------
    shape : shape-like
        Address and attributes.
    n : int
        Targets.
    limit : int
        Addresses that may await their answer.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Addresses.
    target : ``In(range(n))``
        Target of the address that ``i`` offers.
    o : ``Out(stream.Signature(shape)).array(n)``
        Addresses, to each target.
    started : ``Out(1)``
        A new address is offered to its target. The target need not have taken it.
    done : ``In(1)``
        An answer was given.
    current : ``Out(range(n))``
        Target that answers.
    """

    def __init__(self, shape: ShapeLike, n: int, limit: int):
        self.n, self.limit = n, limit
        super().__init__({
            "i": In(stream.Signature(shape)),
            "target": In(range(n)),
            "o": Out(stream.Signature(shape)).array(n),
            "started": Out(1),
            "done": In(1),
            "current": Out(range(n)),
        })

    def elaborate(self, platform):
        m = Module()

        waiting = Signal(range(self.limit + 1))
        begun = Signal()                    # the address that `i` offers is counted already
        may = Signal()
        m.d.comb += [
            may.eq(begun | (waiting == 0) |
                   ((self.target == self.current) & (waiting != self.limit))),
            self.started.eq(self.i.valid & may & ~begun),
        ]
        with m.Switch(self.target):
            for k, output in enumerate(self.o):
                m.d.comb += output.payload.eq(self.i.payload)
                with m.Case(k):
                    m.d.comb += [
                        output.valid.eq(self.i.valid & may),
                        self.i.ready.eq(output.ready & may),
                    ]

        m.d.sync += waiting.eq(waiting + self.started - self.done)
        with m.If(self.i.valid & may):
            m.d.sync += begun.eq(~self.i.ready)
            m.d.sync += self.current.eq(self.target)
        return m
