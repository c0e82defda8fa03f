"""Translated bursts whose responses are outstanding."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .onehot import lowest

__all__ = ["InFlight"]


class InFlight(wiring.Component):
    """Remember the ID of every burst passed on, until it is answered.

    One burst in and one out in each cycle. Responses of one ID come in
    order, so among equal IDs the marked ones end first.

    Parameters
    ----------
    depth : int
        Bursts that fit.
    id_width : int
        Width of IDs, in bits.

    Members
    -------
    push : ``In(stream.Signature(id_width))``
        ID of a burst that is passed on.
    pop : ``In(...)``
        ``valid`` and ``id`` of a burst whose response ends.
    empty : ``Out(1)``
        No burst is outstanding.
    mark : ``In(1)``
        Mark all that are outstanding, with one that is pushed in this cycle.
    marked : ``Out(1)``
        A marked one is outstanding.
    """

    def __init__(self, *, depth: int, id_width: int):
        self._depth, self._id_width = depth, id_width
        super().__init__({
            "push": In(stream.Signature(id_width)),
            "pop": In(wiring.Signature({"valid": Out(1), "id": Out(id_width)})),
            "empty": Out(1), "mark": In(1), "marked": Out(1)})

    def elaborate(self, platform):
        m = Module()
        valid, old = Signal(self._depth), Signal(self._depth)
        ids = Signal(data.ArrayLayout(self._id_width, self._depth))

        enter, leave = Signal(self._depth), Signal(self._depth)
        match = Signal(self._depth)
        m.d.comb += [
            self.push.ready.eq(~valid.all()),
            enter.eq(Mux(self.push.valid, lowest(~valid), 0)),
            match.eq(valid & Cat(axid == self.pop.id for axid in ids)),
            self.empty.eq(~valid.any()),
            self.marked.eq((valid & old).any()),
        ]
        with m.If(self.pop.valid):
            m.d.comb += leave.eq(lowest(Mux((match & old).any(), match & old, match)))
        m.d.sync += valid.eq(valid & ~leave | enter)
        m.d.sync += old.eq(Mux(self.mark, (1 << self._depth) - 1, old & ~enter))
        for k in range(self._depth):
            with m.If(enter[k]):
                m.d.sync += ids[k].eq(self.push.payload)
        return m
