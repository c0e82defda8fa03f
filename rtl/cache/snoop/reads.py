"""Reads of coherent devices, from memory."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import signature as axi
from rtl.params import CacheParams
from rtl.stream.queue import Queue

from ..layouts import CHUNK_BEATS
from ..layouts import channel as to_memory
from .address import Address
from .layouts import CheckedLayout, channel

__all__ = ["READS", "Reads"]

#: Parts that may be under way.
READS = 8


class Reads(wiring.Component):
    """Read each part from memory, with one ID, so that data comes in order.

    An address goes out in the cycle after its part was taken; data passes in the cycle in which it
    comes. A part that was refused is answered SLVERR, and memory does not see it.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    i : ``In(stream.Signature(CheckedLayout(params)))``
        Parts; there must be room for them.
    room : ``Out(1)``
        There will be room for one that is taken now, if no other is on the way here.
    ar : ``Out(to_memory(params, "ar"))``, r : ``In(to_memory(params, "r"))``
        Memory.
    data : ``Out(channel(params, "r"))``
        To the device.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "i": In(stream.Signature(CheckedLayout(params), always_ready=True)), "room": Out(1),
            "ar": Out(to_memory(params, "ar")), "r": In(to_memory(params, "r")),
            "data": Out(channel(params, "r")),
        })

    def elaborate(self, platform):
        m = Module()
        params, part = self.params, self.i.p.part
        m.submodules.address = address = Address(params, "ar", READS)
        m.submodules.expected = expected = Queue(data.StructLayout({
            "id": params.snoop_id_width, "beats": range(CHUNK_BEATS), "last": 1, "refused": 1}),
            READS)
        connect(m, address.o, flipped(self.ar))

        ours, final = expected.o.p, Signal()
        passed = Signal(range(CHUNK_BEATS))     # errors that were given
        m.d.comb += [
            self.room.eq(expected.i.ready),
            address.i.payload.eq(part),
            address.i.valid.eq(self.i.valid & ~self.i.p.refused),
            expected.i.valid.eq(self.i.valid),
            expected.i.p.refused.eq(self.i.p.refused),
            final.eq(Mux(ours.refused, passed == ours.beats, self.r.p.last)),
            self.data.valid.eq(expected.o.valid & (ours.refused | self.r.valid)),
            self.data.p.data.eq(self.r.p.data),
            self.data.p.resp.eq(self.r.p.resp),
            self.data.p.id.eq(ours.id),
            self.data.p.last.eq(ours.last & final),
            self.r.ready.eq(expected.o.valid & ~ours.refused & self.data.ready),
            expected.o.ready.eq(self.data.valid & self.data.ready & final),
        ]
        m.d.comb += [expected.i.p[name].eq(part[name]) for name in ("id", "beats", "last")]
        with m.If(ours.refused):
            m.d.comb += self.data.p.resp.eq(axi.Resp.SLVERR)
        with m.If(self.data.valid & self.data.ready):
            m.d.sync += passed.eq(Mux(ours.refused & ~final, passed + 1, 0))
        return m
