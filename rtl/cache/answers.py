"""Responses to the writes of the CPU."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi import signature as axi
from rtl.params import CacheParams
from rtl.stream.queue import Queue

from .layouts import LineLayout, channel

__all__ = ["AnswerLayout", "Answers", "OutcomeSignature"]

#: Writes that may wait for their lines.
DEPTH = 16


class AnswerLayout(data.StructLayout):
    """A part of a write burst that is done.

    ``id``, ``last``, ``silent`` as in an order; ``miss``: it is into a line on its way, that of
    refill ``slot`` (one-hot); if not, ``resp`` is known. ``line`` of a silent one.
    """

    def __init__(self, params: CacheParams):
        super().__init__({"id": params.id_width, "last": 1, "silent": params.has_silent, "miss": 1,
                          "slot": params.misses, "resp": axi.Resp,
                          "line": LineLayout(params) if params.allocate else 0})


class OutcomeSignature(wiring.Signature):
    """What becomes of a line on its way, seen from who wrote into it.

    Members
    -------
    slot : ``Out(misses)``
        One-hot: the line.
    certain : ``In(1)``
        What follows is known: all words have come, and its place is free, or never will be.
    lost : ``In(1)``, resp : ``In(Resp)``
        The line will not be kept, and why.
    passed : ``Out(1)``
        The answer was taken.
    """

    def __init__(self, params: CacheParams):
        super().__init__({"slot": Out(params.misses), "certain": In(1), "lost": In(1),
                          "resp": In(axi.Resp), "passed": Out(1)})


class Answers(wiring.Component):
    """Answer a write when its burst is done and its lines are certain, with the first error.

    The data array does not wait for that: it goes on as soon as it has the data. One cycle through
    the queue; a part each cycle.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    i : ``In(stream.Signature(AnswerLayout(params)))``
        Parts, in the order of the responses.
    outcome : ``Out(OutcomeSignature(params))``
        The lines on their way.
    b : ``Out(channel(params, "b"))``
        To the CPU.
    brought, lost : ``Out(1)``, line : ``Out(AnswerLayout(params)["line"].shape)``
        A silent write is done; its line was not kept.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        answer = AnswerLayout(params)
        super().__init__({
            "i": In(stream.Signature(answer)), "outcome": Out(OutcomeSignature(params)),
            "b": Out(channel(params, "b")),
            "brought": Out(1), "lost": Out(1), "line": Out(answer["line"].shape),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(AnswerLayout(self.params), DEPTH)
        part, outcome = queue.o.p, self.outcome
        silent = part.silent.any()
        known, done, fails = Signal(), Signal(), Signal()
        resp, worst = Signal(axi.Resp), Signal(axi.Resp)
        m.d.comb += [
            queue.i.valid.eq(self.i.valid),
            queue.i.payload.eq(self.i.payload),
            self.i.ready.eq(queue.i.ready),
            outcome.slot.eq(part.slot),
            known.eq(queue.o.valid & (~part.miss | outcome.certain)),
            fails.eq(part.miss & outcome.lost),
            resp.eq(Mux(worst != axi.Resp.OKAY, worst,
                        Mux(fails, outcome.resp, part.resp))),
            self.b.valid.eq(known & part.last & ~silent),
            self.b.p.id.eq(part.id),
            self.b.p.resp.eq(resp),
            done.eq(known & (self.b.ready | ~self.b.valid)),
            queue.o.ready.eq(done),
            outcome.passed.eq(done & part.miss),
            self.brought.eq(done & silent),
            self.lost.eq(self.brought & fails),
            self.line.eq(part.line),
        ]
        with m.If(done & ~silent):
            m.d.sync += worst.eq(Mux(part.last, axi.Resp.OKAY, resp))
        return m
