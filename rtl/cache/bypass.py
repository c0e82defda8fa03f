"""Uncacheable accesses: whole chunks, straight to memory."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi import signature as axi
from rtl.params import CacheParams

from .layouts import CHUNK_BEATS, RequestLayout, channel

__all__ = ["Bypass", "ProbeSignature", "TurnSignature"]


class ProbeSignature(wiring.Signature):
    """Uncacheable parts that were looked up, seen from the lookup.

    Members
    -------
    done : ``Out(1)``, part : ``Out(RequestLayout(params))``
        No line of this part is in the cache.
    failed : ``Out(1)``
        With the last part of a chunk: one could not be written back.
    hold : ``In(1)``
        A chunk waits or is under way: look nothing up.
    """

    def __init__(self, params: CacheParams):
        super().__init__({"done": Out(1), "part": Out(RequestLayout(params)), "failed": Out(1),
                          "hold": In(1)})


class TurnSignature(wiring.Signature):
    """How the data ports are lent to the bypass, seen from the bypass.

    Members
    -------
    turn : ``In(1)``
        All orders before are done.
    r : ``Out(stream.Signature({"resp": Resp, "last": 1}))``
        A beat for the CPU; its data is what memory shows.
    pass_on, drop, last : ``Out(1)``
        Pass a beat of write data on to memory, with this WLAST; or throw it away.
    beat : ``In(1)``
        One was passed on or thrown away.
    done : ``Out(stream.Signature({"resp": Resp, "write": 1}))``
        The chunk is done.
    """

    def __init__(self):
        super().__init__({
            "turn": In(1),
            "r": Out(stream.Signature(data.StructLayout({"resp": axi.Resp, "last": 1}))),
            "pass_on": Out(1), "drop": Out(1), "last": Out(1), "beat": In(1),
            "done": Out(stream.Signature(data.StructLayout({"resp": axi.Resp, "write": 1}))),
        })


class Bypass(wiring.Component):
    """Carry out one chunk of an uncacheable burst when the orders before it are done.

    It starts when nothing else is under way between cache and memory, and nothing else starts
    before it is done, so responses need no sorting. The chunk keeps its ID, address, length, size
    and attributes, so a memory with a monitor can tell who an exclusive access is from; one that
    leaves its line becomes an ordinary one, and is answered OKAY. A chunk of which a line could
    not be written back is answered SLVERR, and memory does not see it.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    probe : ``In(ProbeSignature(params))``
        From the lookup.
    active : ``Out(1)``
        Memory responses belong to it.
    quiet : ``In(1)``
        Nothing else is under way between cache and memory.
    ar, aw : ``Out(channel(params, ...))``
        To memory.
    r, b : ``In(channel(params, ...))``
        From memory.
    port : ``Out(TurnSignature())``
        To the data ports.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "probe": In(ProbeSignature(params)), "active": Out(1), "quiet": In(1),
            "ar": Out(channel(params, "ar")), "aw": Out(channel(params, "aw")),
            "r": In(channel(params, "r")), "b": In(channel(params, "b")),
            "port": Out(TurnSignature()),
        })

    def elaborate(self, platform):
        m = Module()
        port, part = self.port, self.probe.part
        address = self.ar.p
        write = Signal()
        failed = Signal()
        left = Signal(range(CHUNK_BEATS))       # beats of write data, or errors, to go - 1
        m.d.comb += self.aw.payload.eq(self.ar.payload)

        with m.If(self.probe.done):
            with m.If(part.opens):
                m.d.sync += [
                    address.addr.eq(Cat(part.offset, part.line)),
                    address.len.eq(part.chunk),
                    left.eq(part.chunk),
                    write.eq(part.write),
                ]
                m.d.sync += [address[name].eq(part[name])
                             for name in ("id", "size", "burst", "lock", "cache", "prot",
                                          "qos")]
            m.d.sync += [self.probe.hold.eq(part.closes), failed.eq(self.probe.failed)]

        m.d.comb += [
            port.last.eq(left == 0),
            port.done.p.write.eq(write),
        ]
        with m.If(port.beat):
            m.d.sync += left.eq(left - 1)
        with m.FSM(name="bypass"):
            with m.State("IDLE"):
                with m.If(self.probe.hold & port.turn):
                    with m.If(failed):
                        m.d.sync += port.done.p.resp.eq(axi.Resp.SLVERR)
                        m.next = "FAIL"
                    with m.Elif(self.quiet & write):
                        m.d.sync += self.aw.valid.eq(1)
                        m.next = "WRITE"
                    with m.Elif(self.quiet):
                        m.d.sync += self.ar.valid.eq(1)
                        m.next = "READ"
            with m.State("READ"):
                m.d.comb += [
                    self.active.eq(1),
                    port.r.valid.eq(self.r.valid),
                    port.r.p.last.eq(self.r.p.last),
                    port.r.p.resp.eq(self.r.p.resp),
                    self.r.ready.eq(port.r.ready),
                ]
                with m.If(self.ar.ready):
                    m.d.sync += self.ar.valid.eq(0)
                with m.If(self.r.valid & self.r.ready & self.r.p.last):
                    m.next = "DONE"
            with m.State("WRITE"):
                m.d.comb += [self.active.eq(1), port.pass_on.eq(1)]
                with m.If(self.aw.ready):
                    m.d.sync += self.aw.valid.eq(0)
                with m.If(port.beat & port.last):
                    m.next = "RESPONSE"
            with m.State("RESPONSE"):
                m.d.comb += [self.active.eq(1), self.b.ready.eq(1)]
                with m.If(self.aw.ready):
                    m.d.sync += self.aw.valid.eq(0)
                with m.If(self.b.valid):
                    m.d.sync += port.done.p.resp.eq(self.b.p.resp)
                    m.next = "DONE"
            with m.State("FAIL"):
                m.d.comb += [
                    port.drop.eq(write),
                    port.r.valid.eq(~write),
                    port.r.p.last.eq(port.last),
                    port.r.p.resp.eq(axi.Resp.SLVERR),
                ]
                with m.If(port.r.valid & port.r.ready):
                    m.d.sync += left.eq(left - 1)
                with m.If((port.beat | (port.r.valid & port.r.ready)) & port.last):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += port.done.valid.eq(1)
                with m.If(port.done.ready):
                    m.d.sync += self.probe.hold.eq(0)
                    m.next = "IDLE"
        return m
