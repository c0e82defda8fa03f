"""A FIFO between two streams."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Queue"]


class Queue(wiring.Component):
    """First in, first out; any depth.

    Latency is one cycle from ``i`` to ``o``; throughput is one payload a cycle, or one every two
    cycles with depth 1. Both ``i.ready`` and ``o.valid`` come from registers alone. The store has a
    synchronous read port, so that a large one becomes block RAM.

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

    def __init__(self, shape: ShapeLike, depth: int):
        if not isinstance(depth, int):
            raise TypeError(f"Queue depth must be an integer, not {depth!r}")
        if depth < 1:
            raise ValueError(f"Queue depth must be at least 1, not {depth!r}")
        self.shape, self.depth = shape, depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "level": Out(range(depth + 1)),
        })

    def elaborate(self, platform):
        m = Module()

        push = self.i.valid & self.i.ready
        pop = self.o.valid & self.o.ready
        m.d.comb += [
            self.i.ready.eq(self.level != self.depth),
            self.o.valid.eq(self.level != 0),
        ]
        m.d.sync += self.level.eq(self.level + push - pop)

        if self.depth == 1:
            with m.If(push):
                m.d.sync += self.o.payload.eq(self.i.payload)
            return m

        m.submodules.store = store = memory.Memory(shape=self.shape, depth=self.depth, init=[])
        write = store.write_port()
        # The row to show next is read in every cycle. It may be the one that is being written.
        read = store.read_port(transparent_for=(write,))
        head = Signal(range(self.depth))
        following = Signal(range(self.depth))
        m.d.comb += [
            write.data.eq(self.i.payload),
            write.en.eq(push),
            following.eq(Mux(pop, self._after(head), head)),
            read.addr.eq(following),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += head.eq(following)
        with m.If(push):
            m.d.sync += write.addr.eq(self._after(write.addr))
        return m

    def _after(self, index):
        return Mux(index == self.depth - 1, 0, index + 1)
