"""The IOMMU's own responses among those of memory."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Replies"]


class Replies(wiring.Component):
    """Pass responses on, and put own ones between two bursts.

    A payload with a member ``last`` belongs to a burst that ends there; the bursts of the two
    inputs are never interleaved. Combinational; an own response waits for at least one cycle.

    Parameters
    ----------
    shape : shape-like
        Payload of R or B.

    Members
    -------
    passed : ``In(stream.Signature(shape))``
        Responses from memory.
    own : ``In(stream.Signature(shape))``
        Own responses.
    o : ``Out(stream.Signature(shape))``
        All of them.
    """

    def __init__(self, shape: ShapeLike):
        self._has_last = "last" in dict(shape)
        super().__init__({
            "passed": In(stream.Signature(shape)), "own": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        passed, own, o = self.passed, self.own, self.o
        turn = Signal()                 # 1: own
        inside = Signal()               # a burst has begun and not ended
        with m.If(turn):
            m.d.comb += [o.valid.eq(own.valid), o.payload.eq(own.payload), own.ready.eq(o.ready)]
        with m.Else():
            m.d.comb += [o.valid.eq(passed.valid), o.payload.eq(passed.payload),
                         passed.ready.eq(o.ready)]

        taken = o.valid & o.ready
        last = o.p.last if self._has_last else Const(1)
        with m.If(taken):
            m.d.sync += inside.eq(~last)
        with m.If(turn):
            with m.If(taken & last):
                m.d.sync += turn.eq(0)
        with m.Elif(own.valid & Mux(o.valid, taken & last, ~inside)):
            m.d.sync += turn.eq(1)
        return m
