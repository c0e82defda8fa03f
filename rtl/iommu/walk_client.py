"""A client of one walk at a time, among those of all walkers."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams

from .walk_pool import AnswerSignature, AskSignature
from .walk_state import walk_signature

__all__ = ["WalkClient"]


class WalkClient(wiring.Component):
    """Turn the service of one walker into a question to all. Combinational but for who answers.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    service : ``In(walk_signature(params))``
        The client. It must take the reply in the cycle in which that is valid.
    ask : ``Out(AskSignature(params))``
        Page walkers.
    answer : ``In(AnswerSignature(params))``
        Their answers.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "service": In(walk_signature(params)), "ask": Out(AskSignature(params)),
            "answer": In(AnswerSignature(params))})

    def elaborate(self, platform):
        m = Module()
        service, ask, answer = self.service, self.ask, self.answer
        waits, walker, moved = Signal(), Signal.like(self.ask.walker), answer.moved
        current = Mux(moved.valid & (moved.source == walker), moved.target, walker)
        m.d.comb += [
            ask.likely.eq(service.want & ~waits), ask.request.valid.eq(ask.likely),
            ask.request.p.walk.eq(service.request),
            service.start.eq(ask.likely & ask.request.ready),
            service.valid.eq(waits & answer.valid & (answer.walker == current)),
            service.reply.eq(answer.reply),
        ]
        m.d.sync += walker.eq(current)
        with m.If(service.start):
            m.d.sync += [waits.eq(1), walker.eq(ask.walker)]
        with m.Elif(service.valid):
            m.d.sync += waits.eq(0)
        return m
