"""A FIFO that shows its oldest payload from registers."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .through import ThroughQueue

__all__ = ["HeadQueue"]


class HeadQueue(wiring.Component):
    """First in, first out, for what is looked at closely: ``o`` comes from registers alone.

    Latency is one cycle; throughput is one payload a cycle. ``i.ready`` comes from registers.

    Parameters
    ----------
    shape : shape-like
        Payload.
    depth : int
        Payloads that fit besides the oldest one; at least 1.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Payloads to store.
    o : ``Out(stream.Signature(shape))``
        Oldest payload.
    level : ``Out(range(depth + 1))``
        Payloads stored besides the oldest one.
    """

    def __init__(self, shape: ShapeLike, depth: int):
        self._shape, self._depth = shape, depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "level": Out(range(depth + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = ThroughQueue(self._shape, self._depth)
        connect(m, flipped(self.i), queue.i)
        m.d.comb += [
            self.level.eq(queue.level),
            queue.o.ready.eq(~self.o.valid | self.o.ready),
        ]
        with m.If(queue.o.ready):
            m.d.sync += [self.o.valid.eq(queue.o.valid), self.o.payload.eq(queue.o.payload)]
        return m
