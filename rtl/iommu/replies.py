"""The IOMMU's own responses among those of memory."""

from amaranth import *
from amaranth.lib import data, stream, wiring
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
    good : ``In(1)``
        The own response is no refusal.
    o : ``Out(stream.Signature(...))``
        All of them; ``refused`` in addition is 1 in own ones that are.
    """

    def __init__(self, shape: data.StructLayout):
        self._fields = tuple(shape.members)
        super().__init__({
            "passed": In(stream.Signature(shape)), "own": In(stream.Signature(shape)),
            "good": In(1),
            "o": Out(stream.Signature(data.StructLayout({**shape.members, "refused": 1})))})

    def elaborate(self, platform):
        m = Module()
        passed, own, o = self.passed, self.own, self.o
        turn = Signal()                 # 1: own
        inside = Signal()               # a burst has begun and not ended
        m.d.comb += o.p.refused.eq(turn & ~self.good)
        for chosen, source in ((turn, own), (~turn, passed)):
            with m.If(chosen):
                m.d.comb += [o.valid.eq(source.valid), source.ready.eq(o.ready)]
                m.d.comb += [o.p[name].eq(source.p[name]) for name in self._fields]

        taken = o.valid & o.ready
        last = o.p.last if "last" in self._fields else Const(1)
        with m.If(taken):
            m.d.sync += inside.eq(~last)
        with m.If(turn):
            with m.If(taken & last):
                m.d.sync += turn.eq(0)
        with m.Elif(own.valid & Mux(o.valid, taken & last, ~inside)):
            m.d.sync += turn.eq(1)
        return m
