"""Copies of which a side stays at one address."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .jobs import SPAN_BITS, Fault, JobLayout

__all__ = ["KeyHole"]


class KeyHole(wiring.Component):
    """Cut copies of which a side stays in place into accesses of one word of the bus.

    Each word goes from, or to, the lanes from the address on, up to the end of its word; the other
    side goes on, and must not pass the end of addresses: else the copy gets :attr:`Fault.DMA_INT`.
    All copies of a cut one but the last have ``more`` set in their label. Something with a fault,
    and what stays in place on neither side, passes as it is. The first word passes in the cycle in
    which the copy comes; throughput is one word a cycle.

    Parameters
    ----------
    bus_bytes : int, power of two
        Width of the data bus, in bytes.
    job : JobLayout
        Layout of a copy; its label has ``more``.

    Members
    -------
    src_stays, dst_stays : ``In(1)``
        Sides that stay in place.
    i : ``In(stream.Signature(job))``
        Copies.
    o : ``Out(stream.Signature(job))``
        Copies, cut.
    """

    def __init__(self, *, bus_bytes: int, job: JobLayout):
        self._lanes = exact_log2(bus_bytes)
        super().__init__({
            "src_stays": In(1),
            "dst_stays": In(1),
            "i": In(stream.Signature(job)),
            "o": Out(stream.Signature(job)),
        })

    def elaborate(self, platform):
        m = Module()
        job, piece = self.i.p, self.o.p
        sides = ((self.src_stays, job.src, piece.src), (self.dst_stays, job.dst, piece.dst))
        begun, left, rest = Signal(), Signal(SPAN_BITS), Signal(SPAN_BITS)      # bytes - 1
        most = Signal(self._lanes)                      # bytes of a word - 1
        cut, past, last = Signal(), Signal(), Signal()
        taken = self.o.valid & self.o.ready

        # The further up in its word the address is, the fewer bytes there are.
        lanes = [Mux(stays, addr[:self._lanes], 0) for stays, addr, _ in sides]
        m.d.comb += most.eq(~Mux(lanes[0] > lanes[1], *lanes))
        m.d.comb += [
            cut.eq((self.src_stays | self.dst_stays) & (job.fault == Fault.NONE)),
            past.eq(Cat(~stays & (addr[:SPAN_BITS] + job.span)[-1] & addr[SPAN_BITS:].all()
                        for stays, addr, _ in sides).any()),
            rest.eq(Mux(begun, left, job.span)),
            last.eq(~cut | past | (rest <= most)),
            piece.eq(job),
            piece.label.more.eq(~last),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & last),
        ]
        with m.If(cut & past):
            m.d.comb += [piece.fault.eq(Fault.DMA_INT), piece.doubt.eq(1)]
        with m.Elif(cut):
            m.d.comb += piece.span.eq(Mux(last, rest, most))
        with m.If(taken):
            m.d.sync += [begun.eq(~last), left.eq(rest - most - 1)]
        for stays, addr, out in sides:
            after = Signal.like(addr)
            with m.If(begun & ~stays):
                m.d.comb += out.eq(after)
            with m.If(taken):
                m.d.sync += after.eq(out + most + 1)
        return m
