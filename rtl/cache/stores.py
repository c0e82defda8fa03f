"""Stores that were ordered and are not done."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from .layouts import LocationLayout
from .masks import turned

__all__ = ["Stores"]


class Stores(wiring.Component):
    """Know into which lines the data array has still to store.

    A line must not be copied to memory before. Stores are done in the order in which they come. The
    answer to a question is combinational; a store is known from the cycle after it came.

    Parameters
    ----------
    params : CacheParams
        Geometry.
    depth : int
        Stores that it can remember; at least 1.

    Members
    -------
    i : ``In(stream.Signature(LocationLayout(params)))``
        A store is ordered.
    done : ``In(1)``
        The oldest is done.
    asked : ``In(LocationLayout(params))``, busy : ``Out(1)``
        Whether there is one into this line.
    none : ``Out(1)``
        There is none at all.
    """

    def __init__(self, params: CacheParams, depth: int):
        self.params, self.depth = params, depth
        where = LocationLayout(params)
        super().__init__({"i": In(stream.Signature(where)), "done": In(1), "asked": In(where),
                          "busy": Out(1), "none": Out(1)})

    def elaborate(self, platform):
        m = Module()
        waits = Signal(self.depth)
        places = [Signal(LocationLayout(self.params), name=f"place_{k}") for k in range(self.depth)]
        newest = Signal(self.depth, init=1)     # one-hot: where the next one is put
        oldest = Signal(self.depth, init=1)
        m.d.comb += [
            self.i.ready.eq(~(waits & newest).any()),
            self.none.eq(~waits.any()),
            self.busy.eq((waits & Cat(place == self.asked for place in places)).any()),
        ]
        with m.If(self.done):
            m.d.sync += oldest.eq(turned(oldest))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += newest.eq(turned(newest))
        for k, place in enumerate(places):
            with m.If(self.done & oldest[k]):
                m.d.sync += waits[k].eq(0)
            with m.If(self.i.valid & self.i.ready & newest[k]):
                m.d.sync += [waits[k].eq(1), place.eq(self.i.payload)]
        return m
