"""A FIFO between two streams."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SMALL", "Queue"]

#: Payloads that a store in distributed RAM holds, at most.
SMALL = 32


class Queue(wiring.Component):
    """First in, first out; any depth.

    Latency is one cycle from ``i`` to ``o``; throughput is one payload a cycle, or one every two
    cycles with depth 1. Both ``i.ready`` and ``o.valid`` come from registers alone. A store of
    more than :data:`SMALL` payloads has a synchronous read port, so that it becomes block RAM.

    Parameters
    ----------
    shape : shape-like
        Payload.
    depth : int
        Payloads that fit; at least 1.
    drops : bool
        Whether payloads can be dropped.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Payloads to store.
    drop : ``In(1)``
        With ``drops``: take from ``i``, but do not keep it. May come late in the cycle.
    o : ``Out(stream.Signature(shape))``
        Oldest stored payload.
    level : ``Out(range(depth + 1))``
        Payloads stored.

    Raises
    ------
    TypeError
        If ``depth`` is not an integer.
    ValueError
        If ``depth`` is less than 1.
    """

    def __init__(self, shape: ShapeLike, depth: int, *, drops: bool = False):
        if not isinstance(depth, int):
            raise TypeError(f"Queue depth must be an integer, not {depth!r}")
        if depth < 1:
            raise ValueError(f"Queue depth must be at least 1, not {depth!r}")
        self.shape, self.depth, self._drops = shape, depth, drops
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "level": Out(range(depth + 1)),
            **({"drop": In(1)} if drops else {}),
        })

    def elaborate(self, platform):
        m = Module()

        push = self.i.valid & self.i.ready & (~self.drop if self._drops else 1)
        pop = self.o.valid & self.o.ready
        # Of a power of two, the top bit alone tells that it is full.
        full = self.level[-1] if self.depth & (self.depth - 1) == 0 else self.level == self.depth
        m.d.comb += self.i.ready.eq(~full)
        with m.If(push != pop):             # these may come late, so only the last step uses them
            m.d.sync += [
                self.o.valid.eq(~pop | (self.level != 1)),
                self.level.eq(Mux(pop, self.level - 1, self.level + 1)),
            ]

        if self.depth == 1:
            with m.If(push):
                m.d.sync += self.o.payload.eq(self.i.payload)
            return m

        m.submodules.store = store = memory.Memory(shape=self.shape, depth=self.depth, init=[])
        write = store.write_port()
        head = Signal(range(self.depth))
        m.d.comb += [
            write.data.eq(self.i.payload),
            # Where it is known late, whatever is there is stored: no harm in a place that is free.
            write.en.eq(self.i.ready if self._drops else push),
        ]
        with m.If(pop):
            m.d.sync += head.eq(self._after(head))
        if self.depth <= SMALL:
            read = store.read_port(domain="comb")
            m.d.comb += read.addr.eq(head)
        else:
            # The row to show next is read in every cycle. It may be the one that is being written.
            read = store.read_port(transparent_for=(write,))
            m.d.comb += read.addr.eq(Mux(pop, self._after(head), head))
        m.d.comb += self.o.payload.eq(read.data)
        with m.If(push):
            m.d.sync += write.addr.eq(self._after(write.addr))
        return m

    def _after(self, index):
        following = (index + 1)[:len(index)]
        if self.depth & (self.depth - 1) == 0:
            return following                # wraps by itself
        return Mux(index == self.depth - 1, 0, following)
