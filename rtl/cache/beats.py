"""Which word of the line each beat of an order concerns."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.params import CacheParams

from .layouts import OrderLayout

__all__ = ["Beats"]


class Beats(wiring.Component):
    """Step through the beats of the order at the head of a queue.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    order : ``In(OrderLayout(params))``
        Order; another one after the ``final`` beat.
    go : ``In(1)``
        This beat is done in this cycle.
    word : ``Out(word_bits)``, final : ``Out(1)``
        Its word in the line; it is the last one. Combinational.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({"order": In(OrderLayout(params)), "go": In(1),
                          "word": Out(params.word_bits), "final": Out(1)})

    def elaborate(self, platform):
        m = Module()
        params, order = self.params, self.order
        # The order's own fields until the first beat is done.
        started = Signal()
        later = Signal(params.offset_bits)
        to_go = Signal.like(order.beats)
        offset = Signal(params.offset_bits)
        left = Signal.like(order.beats)
        lanes = Cat(order.size > bit for bit in range(params.offset_bits))
        m.d.comb += [
            offset.eq(Mux(started, later, order.offset)),
            left.eq(Mux(started, to_go, order.beats)),
            self.word.eq(offset[exact_log2(params.data_width // 8):]),
            self.final.eq(left == 0),
        ]
        with m.If(self.go):
            m.d.sync += [started.eq(~self.final), to_go.eq(left - 1), later.eq(offset)]
            with m.If(~order.fixed):
                m.d.sync += later.eq((offset & ~lanes) + (1 << order.size))
        return m
