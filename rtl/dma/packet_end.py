"""End a packet that a reset cut off."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.axi.stream import Signature

__all__ = ["PacketEnd"]


class PacketEnd(wiring.Component):
    """Stand between a channel that can be reset and its stream, which goes on.

    What was offered stays until it is taken, as the protocol asks for. If it did not end its
    packet, then a beat follows that does, of one byte, with ``user`` = 1: nobody takes the next
    packet for the rest of this one. Latency is one cycle; throughput is one beat a cycle.

    Parameters
    ----------
    data_width : int
        Width of the data, in bits.

    Members
    -------
    i : ``In(stream.Signature(...))``
        Beats of the channel.
    cut : ``In(1)``
        The channel is being reset.
    o : ``Out(axi.stream.Signature(..., user_width=1))``
        Stream.
    """

    def __init__(self, data_width: int):
        beats = Signature(data_width=data_width).members["t"].signature
        super().__init__({
            "i":   In(beats),
            "cut": In(1),
            "o":   Out(Signature(data_width=data_width, user_width=1)),
        })

    def elaborate(self, platform):
        m = Module()

        i, o = self.i, self.o.t
        unended, closing = Signal(), Signal()
        free = ~o.valid | o.ready
        takes = free & ~closing & i.valid
        m.d.comb += i.ready.eq(free & ~closing)
        with m.If(free):
            m.d.sync += o.valid.eq(i.valid | closing)
        with m.If(takes):
            m.d.sync += [o.p[name].eq(i.p[name]) for name in ("data", "keep", "last")]
            m.d.sync += [o.p.user.eq(0), unended.eq(~i.p.last)]
        with m.If(free & closing):
            m.d.sync += [
                o.p.data.eq(0), o.p.keep.eq(1), o.p.last.eq(1), o.p.user.eq(1),
                unended.eq(0), closing.eq(0),
            ]
        with m.Elif(self.cut):
            m.d.sync += closing.eq(closing | Mux(takes, ~i.p.last, unended))
        return m
