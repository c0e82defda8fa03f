"""Carry out orders on the data array, one after the other."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import signature as axi
from rtl.params import CacheParams

from .answers import Answers, OutcomeSignature
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
    the bus is passed on directly if it is the one that is waited for, and what is written to a word
    is merged into it as it comes. A write is answered when the line is known to stay.

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
    fill : ``In(FillSignature(params))``, outcome : ``Out(OutcomeSignature(params))``
        The lines on their way; what becomes of them.
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
            "fill": In(FillSignature(params)), "outcome": Out(OutcomeSignature(params)),
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
        m.submodules.answers = answers = Answers(params)
        connect(m, flipped(self.fills), array.fills)
        connect(m, answers.outcome, flipped(self.outcome))
        connect(m, answers.b, flipped(self.b))
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
        m.d.comb += [answers.i.p[name].eq(order[name])
                     for name in ("id", "last", "silent", "miss", "slot")]
        m.d.comb += [
            answers.i.p.line.eq(order.line if params.allocate else 0),
            array.stores.p.word.eq(word),
            array.stores.p.set.eq(order.line.set),
            array.stores.p.way.eq(order.way),
            array.stores.p.data.eq(Mux(silent, 0, self.beats.p.data)),
            array.stores.p.strb.eq(Mux(order.miss & fill.kept, 0, Mux(silent, ~0,
                                                                      self.beats.p.strb))),
            array.merge.eq(order.miss & fill.next & (self.fills.p.word == word)),
            fill.slot.eq(order.slot),
            self.line.eq(answers.line if params.allocate else 0),
            self.brought.eq(answers.brought | (self.orders.ready & silent & ~order.stream.any()
                                               & (order.op == Op.READ))),
            self.lost.eq(answers.lost),
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
                        array.stores.valid.eq(has_data & (there | array.merge) & ~overtakes
                                              & answers.i.ready),
                        go.eq(array.stores.valid & array.stores.ready),
                        self.beats.ready.eq(go & ~silent),
                        answers.i.valid.eq(go & final),
                        answers.i.p.resp.eq(axi.Resp.OKAY),
                    ]
                with m.Case(Op.BYPASS):
                    m.d.comb += [
                        port.turn.eq(1),
                        port.r.ready.eq(mine),
                        port.beat.eq(self.beats.valid
                                     & (port.drop | (port.pass_on & self.w.ready))),
                        self.beats.ready.eq(port.beat),
                        port.done.ready.eq(~port.done.p.write | answers.i.ready),
                        answers.i.valid.eq(port.done.valid & port.done.p.write),
                        answers.i.p.resp.eq(port.done.p.resp),
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
            fill.passed.eq(present & done & order.miss & (order.op == Op.READ)),
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
