"""Application words of descriptors that begin a packet."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .app_words import APP_BITS
from .jobs import Fault
from .stream_jobs import BufferLayout

__all__ = ["AppControl"]


class AppControl(wiring.Component):
    """Pass buffers on, each that begins a packet a cycle after its words were taken.

    Combinational. A buffer of registers has no words, nor has one with a fault.

    Parameters
    ----------
    addr_width : int
        Width of byte addresses, in bits.

    Members
    -------
    enable : ``In(1)``
        There are words.
    i : ``In(stream.Signature(BufferLayout(..., apps=True)))``, ``o`` : ``Out(...)``
        Buffers, with words and without.
    words : ``Out(stream.Signature(160))``
        Words.
    """

    def __init__(self, addr_width: int):
        self._buffer = BufferLayout(addr_width)
        super().__init__({
            "enable": In(1),
            "i": In(stream.Signature(BufferLayout(addr_width, apps=True))),
            "o": Out(stream.Signature(self._buffer)),
            "words": Out(stream.Signature(APP_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        buffer, told = self.i.p, Signal()
        needed = self.enable & buffer.sof & buffer.sg & (buffer.fault == Fault.NONE) & ~told
        m.d.comb += [self.o.p[name].eq(buffer[name]) for name in self._buffer.members]
        m.d.comb += [
            self.words.valid.eq(self.i.valid & needed),
            self.words.payload.eq(buffer.apps),
            self.o.valid.eq(self.i.valid & ~needed),
            self.i.ready.eq(self.o.ready & ~needed),
        ]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += told.eq(1)
        with m.Elif(self.i.valid & self.i.ready):
            m.d.sync += told.eq(0)
        return m
