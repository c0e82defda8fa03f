"""Several page walkers, and who waits for which."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import IommuParams
from rtl.spec.faults import Cause

from .onehot import encode, lowest
from .page_walker import PageWalker, walk_signature
from .records import leaf_layout
from .tables import ReadSignature, WriteSignature
from .tlb_entry import KeyLayout

__all__ = ["AnswerSignature", "AskSignature", "WalkPool", "ask_layout"]


def ask_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of a question: a walk, and whether an invalidation came since its context."""
    return data.StructLayout({"walk": walk_signature(params).request_shape, "stale": 1})


class AskSignature(wiring.Signature):
    """Questions to the walkers. Directions are those of who asks.

    Members
    -------
    likely : ``Out(1)``
        A request may come in this cycle. Known early in the cycle, unlike whether it does.
    request : ``Out(stream.Signature(ask_layout(params)))``
        A walk to do; may be withdrawn.
    walker : ``In(range(walks))``
        With ``request.ready``: which walker does it, perhaps together with an earlier request.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "likely": Out(1), "request": Out(stream.Signature(ask_layout(params))),
            "walker": In(range(params.walks))})


class AnswerSignature(wiring.Signature):
    """What a walker has found, for all who wait for it. Directions are the walkers'.

    Members
    -------
    valid : ``Out(1)``
        The walk of ``walker`` has ended, in this cycle only.
    walker, reply : ``Out(...)``
        Which, and with what reply.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "valid": Out(1), "walker": Out(range(params.walks)),
            "reply": Out(walk_signature(params).reply_shape)})


class WalkPool(wiring.Component):
    """Give each question to a free walker, or to one that is answering the same question already.

    The walk begins in the cycle after the question was accepted, one each cycle. The answer is for
    all that have asked; in the cycle after it, it is written to the TLB. An invalidation makes
    every walk under way stale: its answer is good for those who had asked before, it is not
    cached, and nobody joins it any more.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``walks`` is the number of walkers.
    n : int
        Who may ask.

    Members
    -------
    asks : ``In(AskSignature(params)).array(n)``
        Questions; one is accepted in a cycle, in turn.
    answer : ``Out(AnswerSignature(params))``
        Answers.
    fill : ``Out(...)``
        ``valid``, ``key`` and ``leaf`` of an entry to cache.
    table, store : ``Out(...).array(walks)``
        Memory, for each walker.
    flush : ``In(1)``
        An invalidation is in progress.
    started : ``Out(1)``
        Strobe: a walk of the first stage begins.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Caching in-memory data structures".
    """

    def __init__(self, params: IommuParams, n: int):
        self._params, self._n = params, n
        super().__init__({
            "asks": In(AskSignature(params)).array(n),
            "answer": Out(AnswerSignature(params)),
            "fill": Out(wiring.Signature({
                "valid": Out(1), "key": Out(KeyLayout(params)), "leaf": Out(leaf_layout(params))})),
            "table": Out(ReadSignature(params.phys_bits)).array(params.walks),
            "store": Out(WriteSignature(params.phys_bits)).array(params.walks),
            "flush": In(1), "started": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        walks = self._params.walks
        busy, closing, stale, done = (Signal(walks, name=name)
                                      for name in ("busy", "closing", "stale", "done"))
        m.submodules.walkers = group = Module()
        walkers = [PageWalker(self._params) for _ in range(walks)]
        for k, walker in enumerate(walkers):
            group.submodules[f"walker_{k}"] = walker
            connect(m, walker.table, flipped(self.table[k]))
            connect(m, walker.store, flipped(self.store[k]))
            m.d.comb += [
                walker.flush.eq(self.flush), walker.service.want.eq(busy[k]),
                done[k].eq(walker.service.valid),
            ]
        m.d.comb += self.started.eq(Cat(walker.started for walker in walkers).any())
        requests = Signal(data.ArrayLayout(ask_layout(self._params)["walk"].shape, walks))
        for walker, request in zip(walkers, requests, strict=True):
            m.d.comb += walker.service.request.eq(request)
        self._accept(m, requests, busy, closing, stale, done)
        self._answer(m, walkers, requests, busy, closing, stale, done)
        self._share_updates(m, walkers)
        return m

    def _accept(self, m, requests, busy, closing, stale, done):
        """Choose who asks, before it is known whether, and the walker for that."""
        walks = self._params.walks
        turn = Signal(range(self._n))
        choice = Signal(range(self._n))
        m.d.comb += choice.eq(turn)
        with m.Switch(turn):
            for last in range(self._n):
                with m.Case(last):
                    for distance in reversed(range(1, self._n)):
                        other = (last + distance) % self._n
                        with m.If(self.asks[other].likely):
                            m.d.comb += choice.eq(other)
        m.d.sync += turn.eq(choice)

        asked, valid = Signal(ask_layout(self._params)), Signal()
        same, place, spot = (Signal(walks, name=name) for name in ("same", "place", "spot"))
        ready = Signal()
        question = self._question(asked.walk)
        m.d.comb += [
            # An answer on its way to the TLB is worth waiting for.
            same.eq((busy | closing) & ~stale & Cat(
                self._question(request) == question for request in requests)),
            place.eq(lowest(~busy & ~closing)),
            spot.eq(Mux(same.any(), lowest(same), place)),
            ready.eq(Mux(same.any(), ~(same & (done | closing)).any(), place.any())),
        ]
        with m.Switch(choice):
            for k, ask in enumerate(self.asks):
                with m.Case(k):
                    m.d.comb += [valid.eq(ask.request.valid), asked.eq(ask.request.payload),
                                 ask.request.ready.eq(ready)]
        for ask in self.asks:
            m.d.comb += ask.walker.eq(encode(spot))
        for k, request in enumerate(requests):
            with m.If(valid & ready & spot[k] & ~busy[k]):
                m.d.sync += [busy[k].eq(1), request.eq(asked.walk)]
            with m.If(~busy[k]):
                m.d.sync += stale[k].eq(asked.stale)
            with m.If(self.flush):
                m.d.sync += stale[k].eq(1)

    def _question(self, walk):
        """All that tells an answer from another."""
        context, key = walk.context, KeyLayout(self._params)
        return Cat(walk.page, walk.canonical, walk.kind, walk.privileged, walk.bypass,
                   walk.implicit, context.paged, context.sum, context.sade, context.gade,
                   *key.of(walk.page, context).values())

    def _answer(self, m, walkers, requests, busy, closing, stale, done):
        """Let one walker answer that is done."""
        chosen, keep = Signal.like(done), Signal()
        key, fill = KeyLayout(self._params), self.fill
        m.d.comb += [chosen.eq(lowest(done)),
                     self.answer.valid.eq(done.any()), self.answer.walker.eq(encode(chosen))]
        m.d.sync += [closing.eq(chosen), fill.valid.eq(keep & ~self.flush)]
        for k, (walker, request) in enumerate(zip(walkers, requests, strict=True)):
            m.d.comb += walker.service.take.eq(chosen[k])
            with m.If(chosen[k]):
                reply = walker.service.reply
                m.d.comb += [self.answer.reply.eq(reply), keep.eq(
                    (reply.cause == Cause.NONE) & ~stale[k] & ~request.implicit.any())]
                m.d.sync += busy[k].eq(0)
                m.d.sync += [fill.key[name].eq(value)
                             for name, value in key.of(request.page, request.context).items()]
                m.d.sync += [fill.leaf.page.eq(reply.page), fill.leaf.flags.eq(reply.flags)]
        m.d.comb += [fill.key.covers.eq(fill.leaf.page.covers), fill.key.g.eq(fill.leaf.flags.g)]

    def _share_updates(self, m, walkers):
        """Let one walker at a time read exclusively: memory has one reservation for all."""
        owner = Signal(len(walkers))
        wants = Cat(walker.locks for walker in walkers)
        with m.If(~(owner & wants).any()):
            m.d.sync += owner.eq(lowest(wants))
        m.d.comb += [walker.may_lock.eq(owner[k]) for k, walker in enumerate(walkers)]
