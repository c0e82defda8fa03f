"""A FIFO that costs no cycle while it is empty."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .queue import Queue

__all__ = ["ThroughQueue"]


class ThroughQueue(wiring.Component):
    """First in, first out; what comes while nothing is stored shows at once.

    Latency is zero when empty, else one cycle; throughput is one payload a cycle. ``i.ready`` comes
    from a register; ``o`` is combinational from ``i``, and only for one that comes to an empty
    queue.

    Parameters
    ----------
    shape : shape-like
        Payload.
    depth : int
        Payloads that fit; at least 1.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Payloads to store.
    o : ``Out(stream.Signature(shape))``
        Oldest payload.
    level : ``Out(range(depth + 1))``
        Payloads stored.
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
        m.submodules.queue = queue = Queue(self._shape, self._depth, drops=True)
        i, o = self.i, self.o
        m.d.comb += [
            self.level.eq(queue.level),
            queue.i.payload.eq(i.payload),
            queue.i.valid.eq(i.valid),
            queue.drop.eq(~queue.o.valid & o.ready),
            i.ready.eq(queue.i.ready),
            o.valid.eq(queue.o.valid | i.valid),
            o.payload.eq(i.payload),
            queue.o.ready.eq(o.ready),
        ]
        with m.If(queue.o.valid):
            m.d.comb += o.payload.eq(queue.o.payload)
        return m
