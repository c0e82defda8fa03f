"""AXI4-Lite registers behind an AXI4 bus."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from . import lite
from .lite import Resp
from .signature import Signature
from .unroll import Unroll

__all__ = ["LiteBridge"]


class LiteBridge(wiring.Component):
    """Carry out every burst as accesses to single 32-bit words.

    A beat wider than a word is several accesses: a read takes the low word first, a write the high
    word first, as 64-bit registers of two words want it. Words without any strobe are not written.
    A beat or burst of which any access failed is answered with its last error. One burst at a time
    in each direction; a word takes three cycles and what the registers need.

    Parameters
    ----------
    signature : axi.Signature
        Bus; at least 32 bits wide.

    Members
    -------
    bus : ``In(signature)``
        Bus of the manager.
    regs : ``Out(lite.Signature(addr_width=signature.addr_width))``
        Registers.

    Raises
    ------
    ValueError
        If the bus is narrower than a word.
    """

    def __init__(self, signature: Signature):
        if signature.data_width < 32:
            raise ValueError(f"Bus must be at least 32 bits wide, not {signature.data_width}")
        self._signature = signature
        self._word_bits = exact_log2(signature.data_width // 32)
        super().__init__({
            "bus": In(signature),
            "regs": Out(lite.Signature(addr_width=signature.addr_width)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.reads = self._reads()
        m.submodules.writes = self._writes()
        return m

    def _beats(self, m, addresses):
        """Beats of the bursts, and the first and last word of each within the bus word."""
        m.submodules.unroll = unroll = Unroll(self._signature)
        connect(m, flipped(addresses), unroll.i)
        beat = unroll.o
        top = (beat.p.addr | ((1 << beat.p.size) - 1))[2:2 + self._word_bits]
        return beat, beat.p.addr[2:2 + self._word_bits], top

    def _address(self, beat, word) -> Value:
        return Cat(C(0, 2), word, beat.p.addr[2 + self._word_bits:])

    def _reads(self) -> Module:
        m = Module()
        bus, regs = self.bus, self.regs
        beat, first, last = self._beats(m, bus.ar)
        word = Signal(self._word_bits)
        m.d.comb += [
            regs.ar.p.addr.eq(self._address(beat, word)),
            bus.r.p.id.eq(beat.p.id),
            bus.r.p.last.eq(beat.p.last),
        ]
        with m.FSM(name="read"):
            with m.State("START"):
                m.d.sync += [word.eq(first), bus.r.p.data.eq(0), bus.r.p.resp.eq(Resp.OKAY)]
                with m.If(beat.valid):
                    m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += regs.ar.valid.eq(1)
                with m.If(regs.ar.ready):
                    m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += regs.r.ready.eq(1)
                with m.If(regs.r.valid):
                    m.d.sync += bus.r.p.data.word_select(word, 32).eq(regs.r.p.data)
                    with m.If(regs.r.p.resp != Resp.OKAY):
                        m.d.sync += bus.r.p.resp.eq(regs.r.p.resp)
                    m.d.sync += word.eq(word + 1)
                    m.next = "ASK"
                    with m.If(word == last):
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += bus.r.valid.eq(1)
                with m.If(bus.r.ready):
                    m.d.comb += beat.ready.eq(1)
                    m.next = "START"
        return m

    def _writes(self) -> Module:
        m = Module()
        bus, regs = self.bus, self.regs
        beat, first, last = self._beats(m, bus.aw)
        word = Signal(self._word_bits)
        taken = Signal(2)                       # address and data of the word under way
        m.d.comb += [
            regs.aw.p.addr.eq(self._address(beat, word)),
            regs.w.p.data.eq(bus.w.p.data.word_select(word, 32)),
            regs.w.p.strb.eq(bus.w.p.strb.word_select(word, 4)),
        ]

        def proceed():
            m.d.sync += word.eq(word - 1)
            m.next = "WRITE"
            with m.If(word == first):
                m.next = "BEAT"

        with m.FSM(name="write"):
            with m.State("START"):
                m.d.sync += word.eq(last)
                with m.If(beat.valid & bus.w.valid):
                    m.next = "WRITE"
            with m.State("WRITE"):
                with m.If(regs.w.p.strb == 0):
                    proceed()
                with m.Else():
                    m.d.comb += [regs.aw.valid.eq(~taken[0]), regs.w.valid.eq(~taken[1])]
                    now = taken | Cat(regs.aw.ready, regs.w.ready)
                    m.d.sync += taken.eq(now)
                    with m.If(now.all()):
                        m.d.sync += taken.eq(0)
                        m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += regs.b.ready.eq(1)
                with m.If(regs.b.valid):
                    with m.If(regs.b.p.resp != Resp.OKAY):
                        m.d.sync += bus.b.p.resp.eq(regs.b.p.resp)
                    proceed()
            with m.State("BEAT"):
                m.d.comb += [bus.w.ready.eq(1), beat.ready.eq(1)]
                m.d.sync += bus.b.p.id.eq(beat.p.id)
                m.next = "START"
                with m.If(beat.p.last):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += bus.b.valid.eq(1)
                with m.If(bus.b.ready):
                    m.d.sync += bus.b.p.resp.eq(Resp.OKAY)
                    m.next = "START"
        return m
