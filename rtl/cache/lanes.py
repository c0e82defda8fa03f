"""Orders on their way to the data array, in one lane or in two."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import CacheParams
from rtl.stream.queue import Queue

from .layouts import OrderLayout

__all__ = ["Lanes"]

#: Orders that may be overtaking.
OVERTAKING = 4


class Lanes(wiring.Component):
    """Queue orders; with ``params.overtake``, let reads that need nothing pass those that wait.

    A read takes the other lane if it is ``free``, some order in the main lane needs a refill, and
    none there has its ID. While it is there, no order of its ID takes the main lane. Hence
    responses of one ID stay in order. One cycle through either lane.

    Parameters
    ----------
    params : CacheParams
        Geometry; ``params.orders`` orders may wait.

    Members
    -------
    i : ``In(stream.Signature(OrderLayout(params)))``, free : ``In(1)``
        Order; it is all of a burst and reads a line that is there.
    clear : ``Out(1)``
        An order with the ID of ``i`` may take the main lane.
    o : ``Out(stream.Signature(OrderLayout(params)))``, level : ``Out(range(orders + 1))``
        Main lane, and orders in it.
    aside : ``Out(stream.Signature(OrderLayout(params)))``
        The other lane.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        order = stream.Signature(OrderLayout(params))
        super().__init__({
            "i": In(order), "free": In(1), "clear": Out(1, init=1), "o": Out(order),
            "level": Out(range(params.orders + 1)), "aside": Out(order),
        })

    def elaborate(self, platform):
        m = Module()
        params, new = self.params, self.i.p
        m.submodules.queue = queue = Queue(OrderLayout(params), params.orders)
        connect(m, queue.o, flipped(self.o))
        m.d.comb += [
            queue.i.payload.eq(new),
            queue.i.valid.eq(self.i.valid),
            self.i.ready.eq(queue.i.ready),
            self.level.eq(queue.level),
        ]
        if not params.overtake:
            m.d.comb += self.clear.eq(1)
            return m

        m.submodules.side = side = Queue(OrderLayout(params), OVERTAKING)
        connect(m, side.o, flipped(self.aside))
        # IDs are told apart by their low bits only, which is enough to keep them in order.
        bits = min(params.id_width, 3)
        names = [new.id[:bits] == k for k in range(1 << bits)]
        here = self._count(m, "waiting", params.orders, queue)
        there = self._count(m, "passing", OVERTAKING, side)
        misses = Signal(range(params.orders + 1))       # orders that need a refill
        m.d.sync += misses.eq(misses + (queue.i.valid & queue.i.ready & new.miss)
                              - (queue.o.valid & queue.o.ready & queue.o.p.miss))
        passes = Signal()
        m.d.comb += [
            self.clear.eq(~(Cat(names) & there).any()),
            passes.eq(self.free & (((misses != 0) & ~(Cat(names) & here).any()) | ~self.clear)),
            side.i.payload.eq(new),
            side.i.valid.eq(self.i.valid & passes),
            queue.i.valid.eq(self.i.valid & ~passes & self.clear),
            self.i.ready.eq(Mux(passes, side.i.ready, queue.i.ready & self.clear)),
        ]
        return m

    def _count(self, m: Module, name: str, depth: int, queue: Queue) -> Value:
        """One bit an ID: whether a queue holds one of it, counted until it is done."""
        bits = min(self.params.id_width, 3)
        enter, leave = queue.i.valid & queue.i.ready, queue.o.valid & queue.o.ready
        held = Signal(1 << bits, name=name)
        for k in range(1 << bits):
            count = Signal(range(depth + 1), name=f"{name}_{k}")
            m.d.sync += count.eq(count + (enter & (queue.i.p.id[:bits] == k))
                                 - (leave & (queue.o.p.id[:bits] == k)))
            m.d.comb += held[k].eq(count != 0)
        return held
