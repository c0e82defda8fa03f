"""Carry out orders on the data array, one after the other."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import signature as axi
from rtl.params import CacheParams

from .beats import Beats
from .bypass import TurnSignature
from .data_array import DataArray, PlaceLayout, StoreLayout
from .layouts import LineLayout, Op, OrderLayout, channel
from .refill import FillSignature

__all__ = ["Access"]


class Access(wiring.Component):
    """Read and write, a word a cycle, in the order of the orders; those in ``aside`` go before.

    A word that is read comes in the next cycle. If lines are to be copied meanwhile, reads and
    copies take turns. Orders for a line on its way wait for their words as they come; the word on
    the bus is passed on directly if it is the one that is waited for. The last word of a write
    waits for the whole line, because only then is it known to stay.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    orders : ``In(stream.Signature(OrderLayout(params)))``
        What to do.
    aside : ``In(stream.Signature(OrderLayout(params)))``
        Reads of lines that are there, with other IDs than those that wait; each a whole burst.
    beats : ``In(channel(params, "w"))``
        Write data of the CPU.
    fills : ``In(stream.Signature(StoreLayout(params)))``
        Words from memory; always ready.
    fill : ``In(FillSignature(params))``
        The lines on their way.
    incoming : ``In(data_width)``
        Word that memory shows.
    copies : ``In(stream.Signature(PlaceLayout(params)))``
        Words to copy.
    copied : ``Out(data_width)``
        The word, in the cycle after that.
    stored : ``Out(1)``
        A write is done.
    brought, lost : ``Out(1)``, line : ``Out(LineLayout(params))``
        A silent access of maintenance is done; its line was not zeroed.
    port : ``In(TurnSignature())``
        For the bypass.
    r, b : ``Out(channel(params, ...))``
        To the CPU.
    w : ``Out(channel(params, "w"))``
        To memory, for the bypass.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "orders": In(stream.Signature(OrderLayout(params))),
            "aside": In(stream.Signature(OrderLayout(params))),
            "beats": In(channel(params, "w")),
            "fills": In(stream.Signature(StoreLayout(params))),
            "fill": In(FillSignature(params)),
            "incoming": In(params.data_width),
            "copies": In(stream.Signature(PlaceLayout(params))),
            "copied": Out(params.data_width),
            "stored": Out(1),
            "brought": Out(1), "lost": Out(1), "line": Out(LineLayout(params)),
            "port": In(TurnSignature()),
            "r": Out(channel(params, "r")), "b": Out(channel(params, "b")),
            "w": Out(channel(params, "w")),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.array = array = DataArray(params)
        connect(m, flipped(self.fills), array.fills)
        order, fill, port = self.orders.p, self.fill, self.port
        overtakes = self.aside.valid
        present = self.orders.valid
        silent = order.silent.any()
        has_data = self.beats.valid | silent

        m.submodules.beats = beats = Beats(params)
        go = Signal()                           # this beat is done in this cycle
        word, final = beats.word, beats.final
        m.d.comb += [beats.order.eq(order), beats.go.eq(go)]

        # The read port of the data array holds one word for the CPU.
        full = Signal()
        direct = Signal()                       # it is not there but here
        seen = Signal(params.data_width)
        last_word = Signal()
        free = Signal()
        mine = Signal()                         # for the order at the head
        m.d.comb += [
            free.eq(~full | self.r.ready),
            mine.eq(free & ~overtakes),
            self.r.valid.eq(full),
            self.r.p.data.eq(Mux(direct, seen, array.data)),
            self.r.p.last.eq(last_word),
            self.w.valid.eq(port.pass_on & self.beats.valid),
            self.w.p.data.eq(self.beats.p.data),
            self.w.p.strb.eq(self.beats.p.strb),
            self.w.p.last.eq(port.last),
        ]
        with m.If(free):
            m.d.sync += full.eq(0)

        there = Signal()                        # the word is in the data array, or never will be
        arriving = Signal()
        m.d.comb += [
            there.eq(~order.miss | fill.kept | fill.here.bit_select(word, 1)),
            arriving.eq(order.miss & fill.fresh & (fill.word == word)),
        ]
        # It is lent for copies.
        wanted = Signal()                       # by an access
        turn = Signal()                         # of the copies
        lent = Signal()
        m.d.comb += [
            wanted.eq(overtakes | (present & (order.op == Op.READ) & there & ~silent)),
            self.copies.ready.eq(free & (turn | ~wanted)),
            lent.eq(self.copies.valid & self.copies.ready),
            self.copied.eq(array.data),
            array.place.word.eq(word),
            array.place.set.eq(order.line.set),
            array.place.way.eq(order.way),
        ]
        with m.If(lent):
            m.d.comb += array.place.eq(self.copies.payload)
        with m.If(self.copies.valid & free):
            m.d.sync += turn.eq(wanted & ~turn)
        # A write is answered when its burst is done, with the first error.
        worst = Signal(axi.Resp)
        answer = Signal(axi.Resp)
        resp = Signal(axi.Resp)                 # of this part
        answered = Signal()                     # this part is done
        b_free = ~self.b.valid | self.b.ready | ~order.last
        m.d.comb += answer.eq(Mux(worst == axi.Resp.OKAY, resp, worst))
        with m.If(self.b.ready):
            m.d.sync += self.b.valid.eq(0)
        with m.If(answered):
            with m.If(order.last & ~silent):
                m.d.sync += [self.b.valid.eq(1), self.b.p.id.eq(order.id),
                             self.b.p.resp.eq(answer), worst.eq(axi.Resp.OKAY)]
            with m.Elif(~silent):
                m.d.sync += worst.eq(answer)

        m.d.comb += [
            array.stores.p.word.eq(word),
            array.stores.p.set.eq(order.line.set),
            array.stores.p.way.eq(order.way),
            array.stores.p.data.eq(Mux(silent, 0, self.beats.p.data)),
            array.stores.p.strb.eq(Mux(order.miss & fill.kept, 0, Mux(silent, ~0,
                                                                      self.beats.p.strb))),
            fill.slot.eq(order.slot),
            self.line.eq(order.line),
            self.brought.eq(self.orders.ready & silent & ~order.stream.any()),
            self.lost.eq(self.brought & (order.op == Op.WRITE) & order.miss & fill.lost),
        ]
        with m.If(present):
            with m.Switch(order.op):
                with m.Case(Op.READ):
                    m.d.comb += [
                        fill.reached.eq(order.miss & ~overtakes),
                        go.eq(Mux(silent, ~overtakes, mine & Mux(there, ~lent, arriving))),
                    ]
                    with m.If(go & ~silent):
                        m.d.sync += [
                            full.eq(1), direct.eq(~there), seen.eq(self.incoming),
                            last_word.eq(final & order.last),
                            self.r.p.id.eq(order.id),
                            self.r.p.resp.eq(axi.Resp.OKAY),
                        ]
                        with m.If(~there):
                            m.d.sync += self.r.p.resp.eq(_plain(fill.fresh_resp))
                        with m.Elif(order.miss & (fill.kept | fill.bad.bit_select(word, 1))):
                            m.d.sync += self.r.p.resp.eq(fill.resp)
                with m.Case(Op.WRITE):
                    m.d.comb += [
                        fill.reached.eq(order.miss & ~overtakes),
                        array.stores.valid.eq(has_data & there & ~overtakes & (
                            ~final | ((~order.miss | fill.done) & b_free))),
                        go.eq(array.stores.valid & array.stores.ready),
                        self.beats.ready.eq(go & ~silent),
                        answered.eq(go & final),
                        resp.eq(Mux(order.miss & fill.lost, fill.resp, axi.Resp.OKAY)),
                    ]
                with m.Case(Op.BYPASS):
                    m.d.comb += [
                        port.turn.eq(1),
                        port.r.ready.eq(mine),
                        port.beat.eq(self.beats.valid
                                     & (port.drop | (port.pass_on & self.w.ready))),
                        self.beats.ready.eq(port.beat),
                        port.done.ready.eq(~port.done.p.write | b_free),
                        resp.eq(port.done.p.resp),
                        answered.eq(port.done.valid & port.done.ready & port.done.p.write),
                    ]
                    with m.If(port.r.valid & port.r.ready):
                        m.d.sync += [
                            full.eq(1), direct.eq(1), seen.eq(self.incoming),
                            last_word.eq(port.r.p.last & order.last),
                            self.r.p.id.eq(order.id),
                            self.r.p.resp.eq(port.r.p.resp),
                        ]
        if params.overtake:
            self._overtake(m, array, free & ~lent, full, direct, last_word)

        done = Signal()
        m.d.comb += [
            done.eq(Mux(order.op == Op.BYPASS, port.done.valid & port.done.ready, go & final)),
            self.orders.ready.eq(present & done),
            self.stored.eq(present & done & (order.op == Op.WRITE)),
            array.read.eq(lent | (self.aside.valid & free)
                          | (go & (order.op == Op.READ) & ~silent)),
            fill.passed.eq(present & done & order.miss),
        ]
        return m

    def _overtake(self, m: Module, array, may, full, direct, last_word):
        """Read for the order in ``aside``, if there is one; that at the head waits meanwhile."""
        order = self.aside.p
        m.submodules.beats_aside = beats = Beats(self.params)
        m.d.comb += [
            beats.order.eq(order),
            beats.go.eq(self.aside.valid & may),
            self.aside.ready.eq(beats.go & beats.final),
        ]
        with m.If(beats.go):
            m.d.comb += [array.place.word.eq(beats.word), array.place.set.eq(order.line.set),
                         array.place.way.eq(order.way)]
            m.d.sync += [full.eq(1), direct.eq(0), last_word.eq(beats.final),
                         self.r.p.id.eq(order.id), self.r.p.resp.eq(axi.Resp.OKAY)]


def _plain(resp: Value) -> Value:
    """Response to an access that is not exclusive."""
    return Mux(Value.cast(resp)[1], resp, axi.Resp.OKAY)
