"""Application words into the descriptors in which packets ended."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import StreamParams
from rtl.spec.descriptor import AXI_DMA_APPS, AxiDmaWord

from .app_words import APP_BITS
from .jobs import DESC_BITS, SPAN_BITS, EntryLayout, Fault, ListLabel, WriteSignature

__all__ = ["AppWriter"]


class AppWriter(wiring.Component):
    """Hold an entry in which a packet ended until its words came, and are in its descriptor.

    The other entries pass in the same cycle. If the words cannot be written, the entry gets that
    fault. A packet without descriptor has words, too, which go nowhere. One at a time: a packet
    takes the memory's latency more.

    Parameters
    ----------
    params : StreamParams
        Parameters.

    Members
    -------
    enable : ``In(1)``
        There are words.
    words : ``In(stream.Signature(160))``
        Words of each packet, in order.
    i : ``In(stream.Signature(EntryLayout(...)))``, ``o`` : ``Out(...)``
        Entries.
    bus : ``Out(WriteSignature(...))``
        Bus.
    stop : ``In(1)``
        Write nothing more.
    busy : ``Out(1)``
        A write is outstanding.
    """

    def __init__(self, params: StreamParams):
        self._params = params
        entry = EntryLayout(ListLabel(params.addr_width, noted=True))
        super().__init__({
            "enable": In(1),
            "words":  In(stream.Signature(APP_BITS)),
            "i":      In(stream.Signature(entry)),
            "o":      Out(stream.Signature(entry)),
            "bus":    Out(WriteSignature(addr_width=params.addr_width,
                                         data_width=params.data_width)),
            "stop":   In(1),
            "busy":   Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        aw, w, b = self.bus.aw, self.bus.w, self.bus.b
        width = self._params.data_width
        lane = AxiDmaWord.APP0 % (width // 8)
        beats = max(-(-APP_BITS // width), 1)
        entry, fault = self.i.p, Signal(Fault)
        word, strb = Signal(beats * width), Signal(beats * width // 8)
        done, beat = Signal(), Signal(range(beats + 1))
        needed = self.enable & entry.label.note[SPAN_BITS] & (entry.fault == Fault.NONE) & ~done
        m.d.comb += [
            self.o.payload.eq(entry),
            self.o.valid.eq(self.i.valid & ~needed),
            self.i.ready.eq(self.o.ready & ~needed),
            word.eq(self.words.payload << 8 * lane),
            strb.eq(((1 << 4 * AXI_DMA_APPS) - 1) << lane),
            aw.p.addr.eq(Cat(C(AxiDmaWord.APP0 - lane, DESC_BITS), entry.label.desc)),
            aw.p.len.eq(beats - 1),
            w.p.data.eq(word.word_select(beat, width)),
            w.p.strb.eq(strb.word_select(beat, width // 8)),
            w.p.last.eq(beat == beats - 1),
        ]
        with m.If(done & (fault != Fault.NONE)):
            m.d.comb += self.o.p.fault.eq(fault)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += done.eq(0)
        with m.FSM():
            with m.State("WAIT"):
                with m.If(self.i.valid & needed & self.words.valid & ~self.stop):
                    with m.If(entry.label.sg):
                        m.d.sync += [aw.valid.eq(1), w.valid.eq(1), beat.eq(0)]
                        m.next = "WRITE"
                    with m.Else():
                        m.d.comb += self.words.ready.eq(1)
                        m.d.sync += [done.eq(1), fault.eq(Fault.NONE)]
            with m.State("WRITE"):
                m.d.comb += self.busy.eq(1)
                with m.If(aw.ready):
                    m.d.sync += aw.valid.eq(0)
                with m.If(w.valid & w.ready):
                    m.d.sync += [beat.eq(beat + 1), w.valid.eq(~w.p.last)]
                with m.If(b.valid):
                    m.d.comb += self.words.ready.eq(1)
                    m.d.sync += [done.eq(1), fault.eq(Fault.NONE)]
                    with m.If(b.p.resp.as_value()[1]):
                        m.d.sync += fault.eq(Cat(b.p.resp, 1, b.p.refused))
                    m.next = "WAIT"
        return m

