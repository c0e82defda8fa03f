"""Put the beats of a descriptor together."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi.signature import Resp
from rtl.layouts import struct
from rtl.spec.descriptor import CDMA_BYTES, CDMA_STATUS, CdmaWord

from .jobs import Fault

__all__ = ["DescriptorReader"]


class DescriptorReader(wiring.Component):
    """Show a descriptor, and what is wrong with it, in the cycle of its last beat.

    Parameters
    ----------
    data_width : int
        Width of the data bus, in bits.
    size : int
        Bytes of a descriptor.

    Attributes
    ----------
    beats : int
        Beats of a descriptor.

    Members
    -------
    r : ``In(stream.Signature(...))``
        Beats: ``data``, ``resp``, ``refused``, ``last``. Always ready.
    came : ``Out(1)``
        A descriptor is there, for one cycle.
    words : ``Out(8 * size)``
        The descriptor.
    again : ``In(1)``
        One that is complete already is as good as any.
    fault : ``Out(Fault)``
        ``SG_SLV``, ``SG_DEC`` or ``SG_REFUSED`` if a beat came with an error, ``SG_INT`` if it is
        complete already.
    """

    def __init__(self, *, data_width: int, size: int = CDMA_BYTES):
        self._data_width = data_width
        self.beats = -(-size * 8 // data_width)
        super().__init__({
            "r": In(stream.Signature(data.StructLayout({
                "data": data_width, "resp": Resp, "refused": 1, "last": 1}), always_ready=True)),
            "came":  Out(1),
            "words": Out(size * 8),
            "again": In(1),
            "fault": Out(Fault),
        })

    def elaborate(self, platform):
        m = Module()

        r = self.r
        resp, own = Signal(3), Cat(r.p.resp, r.p.refused)
        m.d.comb += self.came.eq(r.valid & r.p.last)
        earlier = (self.beats - 1) * self._data_width   # bits that come before the last beat
        if earlier > 0:
            before, worst = Signal(earlier), Signal(3)
            m.d.comb += self.words.eq(Cat(before, r.p.data))
            m.d.comb += resp.eq(Mux(worst[1], worst, own))
            with m.If(r.valid):
                m.d.sync += before.eq(Cat(before, r.p.data)[-earlier:])
                m.d.sync += worst.eq(Mux(r.p.last, 0, resp))
        else:
            m.d.comb += [self.words.eq(r.p.data), resp.eq(own)]

        status = struct(CDMA_STATUS)(self.words[CdmaWord.STATUS * 8:][:32])
        with m.If(resp[1]):                             # SLVERR or DECERR
            m.d.comb += self.fault.eq(Cat(resp[:2], 1, resp[2]))
        with m.Elif(status.cmplt & ~self.again):
            m.d.comb += self.fault.eq(Fault.SG_INT)
        return m
