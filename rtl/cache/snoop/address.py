"""Addresses of parts, on their way to memory."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import signature as axi
from rtl.params import CacheParams
from rtl.stream.queue import Queue

from ..layouts import channel
from .layouts import part

__all__ = ["Address"]


class Address(wiring.Component):
    """Make a burst of each part, with ID 0, and keep it until memory takes its address.

    A part that wraps stays within a line, and goes on from its first address.

    Parameters
    ----------
    params : CacheParams
        Geometry.
    name : str
        Channel, ``"ar"`` or ``"aw"``.
    depth : int
        Addresses that may wait.

    Members
    -------
    i : ``In(stream.Signature(part(params)))``
        Parts.
    o : ``Out(channel(params, name))``
        To memory.
    """

    def __init__(self, params: CacheParams, name: str, depth: int):
        self.params, self.depth = params, depth
        super().__init__({"i": In(stream.Signature(part(params))),
                          "o": Out(channel(params, name))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(self.o.p.shape(), self.depth)
        connect(m, queue.o, flipped(self.o))
        part, burst = self.i.p, queue.i.p
        m.d.comb += [
            queue.i.valid.eq(self.i.valid),
            self.i.ready.eq(queue.i.ready),
            burst.addr.eq(Cat(part.offset, part.line)),
            burst.len.eq(part.beats),
            burst.burst.eq(Mux(part.fixed, axi.Burst.FIXED, axi.Burst.INCR)),
        ]
        m.d.comb += [burst[name].eq(part[name])
                     for name in ("size", "lock", "cache", "prot", "qos")]
        return m
