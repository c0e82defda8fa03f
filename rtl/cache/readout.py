"""Copy lines from the data array to memory."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams
from rtl.stream.queue import Queue

from .data_array import PlaceLayout
from .layouts import VictimLayout, channel

__all__ = ["Readout"]

#: Words on their way: enough for one a cycle.
WORDS = 4


class Readout(wiring.Component):
    """Read lines word by word, beside the accesses of the CPU, and offer them as write data.

    A word a cycle, two cycles from the grant to ``w``. A word is read only if there is room for it.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    lines : ``In(stream.Signature(VictimLayout(params)))``
        Lines to copy.
    victims : ``Out(stream.Signature(VictimLayout(params)))``
        The same; handed over before the data.
    copies : ``Out(stream.Signature(PlaceLayout(params)))``
        Words to read.
    data : ``In(data_width)``
        In the cycle after a word was taken: its value.
    w : ``Out(channel(params, "w"))``
        To memory.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        victim = stream.Signature(VictimLayout(params))
        super().__init__({
            "lines": In(victim), "victims": Out(victim),
            "copies": Out(stream.Signature(PlaceLayout(params))), "data": In(params.data_width),
            "w": Out(channel(params, "w")),
        })

    def elaborate(self, platform):
        m = Module()
        params, line = self.params, self.lines.p
        m.submodules.queue = queue = Queue(
            data.StructLayout({"data": params.data_width, "last": 1}), WORDS)

        told = Signal()                     # the victim was handed over
        word = Signal(params.word_bits)
        read = Signal()                     # `data` shows a word
        last = Signal()                     # of its line
        final = word == params.beats - 1
        taken = self.copies.valid & self.copies.ready
        m.d.comb += [
            self.victims.payload.eq(line),
            self.victims.valid.eq(self.lines.valid & ~told),
            self.copies.valid.eq(self.lines.valid & (told | self.victims.ready)
                                 & (queue.level + read < WORDS)),
            self.copies.p.word.eq(word),
            self.copies.p.set.eq(line.line.set),
            self.copies.p.way.eq(line.way),
            self.lines.ready.eq(taken & final),
            queue.i.valid.eq(read),
            queue.i.p.data.eq(self.data),
            queue.i.p.last.eq(last),
            self.w.valid.eq(queue.o.valid),
            self.w.p.data.eq(queue.o.p.data),
            self.w.p.strb.eq(~0),
            self.w.p.last.eq(queue.o.p.last),
            queue.o.ready.eq(self.w.ready),
        ]
        m.d.sync += [read.eq(taken), last.eq(final)]
        with m.If(self.victims.valid & self.victims.ready):
            m.d.sync += told.eq(1)
        with m.If(taken):
            m.d.sync += word.eq(word + 1)
            with m.If(final):
                m.d.sync += told.eq(0)
        return m
