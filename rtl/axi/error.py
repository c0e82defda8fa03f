"""A subordinate that refuses everything."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from . import lite
from .signature import Resp, Signature

__all__ = ["Error"]


class Error(wiring.Component):
    """Answer every access with an error: all beats of a read, once for a write.

    One access at a time in each direction. A read answers from the cycle after its address, with
    data zero, one beat a cycle; a write in the cycle after its last data.

    Parameters
    ----------
    signature : axi.Signature or lite.Signature
        Bus.
    resp : Resp
        Answer; DECERR by default.

    Members
    -------
    bus : ``In(signature)``
        Bus.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", section "Read and write response structure"
    (an interconnect answers DECERR, and every beat of the burst is transferred).
    """

    def __init__(self, signature: Signature | lite.Signature, resp: Resp = Resp.DECERR):
        self.resp, self.bursts = resp, isinstance(signature, Signature)
        super().__init__({"bus": In(signature)})

    def elaborate(self, platform):
        m = Module()
        bus = self.bus

        busy = Signal()
        left = Signal(8)                    # beats after this one
        m.d.comb += [
            bus.ar.ready.eq(~busy),
            bus.r.valid.eq(busy),
            bus.r.p.resp.eq(self.resp),
            bus.b.p.resp.eq(self.resp),
        ]
        with m.If(bus.ar.valid & ~busy):
            m.d.sync += busy.eq(1)
        with m.Elif(bus.r.valid & bus.r.ready):
            with m.If(left == 0):
                m.d.sync += busy.eq(0)
            with m.Else():
                m.d.sync += left.eq(left - 1)

        last = 1
        if self.bursts:
            last = bus.w.p.last
            m.d.comb += bus.r.p.last.eq(left == 0)
            with m.If(bus.ar.valid & bus.ar.ready):
                m.d.sync += [left.eq(bus.ar.p.len), bus.r.p.id.eq(bus.ar.p.id)]
            with m.If(bus.aw.valid & bus.aw.ready):
                m.d.sync += bus.b.p.id.eq(bus.aw.p.id)

        with m.FSM(name="write"):
            with m.State("ADDRESS"):
                m.d.comb += bus.aw.ready.eq(1)
                with m.If(bus.aw.valid):
                    m.next = "DATA"
            with m.State("DATA"):
                m.d.comb += bus.w.ready.eq(1)
                with m.If(bus.w.valid & last):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += bus.b.valid.eq(1)
                with m.If(bus.b.ready):
                    m.next = "ADDRESS"
        return m
