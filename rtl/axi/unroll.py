"""Bursts into the addresses of their beats."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .signature import Burst, Signature

__all__ = ["Unroll"]


class Unroll(wiring.Component):
    """Tell the address of every beat of every burst.

    Latency is one cycle; throughput is one beat a cycle, with a cycle between bursts.

    Parameters
    ----------
    signature : axi.Signature
        Bus.

    Members
    -------
    i : ``In(stream.Signature(...))``
        Bursts: payload of AW or AR.
    o : ``Out(stream.Signature(...))``
        Beats: ``id``, ``addr`` (of its first byte), ``size`` (log2 of bytes), ``last``.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", section "Burst address".
    """

    def __init__(self, signature: Signature):
        self._address = signature.members["ar"].signature
        super().__init__({
            "i": In(self._address),
            "o": Out(stream.Signature(data.StructLayout({
                "id": signature.id_width, "addr": signature.addr_width, "size": 3, "last": 1}))),
        })

    def elaborate(self, platform):
        m = Module()
        burst = Signal.like(self.i.payload)
        left = Signal(8)                        # beats after this one
        addr = Signal.like(self.i.p.addr)
        m.d.comb += [
            self.i.ready.eq(~self.o.valid),
            self.o.p.id.eq(burst.id),
            self.o.p.addr.eq(addr),
            self.o.p.size.eq(burst.size),
            self.o.p.last.eq(left == 0),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                self.o.valid.eq(1),
                burst.eq(self.i.payload),
                left.eq(self.i.p.len),
                addr.eq(self.i.p.addr),
            ]
        within_beat = ((1 << burst.size) - 1)[:7]
        within_burst = ((burst.len << burst.size) | within_beat)[:len(addr)]
        following = (addr | within_beat) + 1
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(left != 0), left.eq(left - 1)]
            with m.Switch(burst.burst):
                with m.Case(Burst.INCR):
                    m.d.sync += addr.eq(following)
                with m.Case(Burst.WRAP):
                    m.d.sync += addr.eq((addr | within_burst) ^ within_burst
                                        | following & within_burst)
        return m
