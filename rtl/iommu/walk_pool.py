"""Several page walkers, and who waits for which."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import VPN_BITS

from .events import EventSignature
from .guest_cache import GuestCache
from .onehot import encode, lowest
from .page_walker import PageWalker, walk_signature
from .records import leaf_layout, qos_layout
from .second_tlb import SecondTlb
from .tables import ReadSignature, WriteSignature
from .tlb import DropLayout
from .tlb_entry import KeyLayout
from .walk_cache import ShortcutLayout, WalkCache

__all__ = ["AnswerSignature", "AskSignature", "WalkPool", "ask_layout"]


def ask_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of a question: a walk, and whether an invalidation came since its context.

    ``walk.ahead``: for the page after that of the walk, in the same table, in case it is used.
    """
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

    With ``prefetch``, a walker that has found a page of 4 KiB goes on to the next page of the same
    table, and so does one that is asked ahead. That never faults and never updates an entry; it
    leaves a walker free for who comes next, if there are several.

    With a second level of the TLB, a walk begins when nothing was found there.

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
        ``valid``, ``key`` and ``leaf`` of an entry to cache; ``fresh`` if nobody waits for it.
    table, store : ``Out(...).array(walks)``
        Memory, for each walker.
    qos : ``Out(qos_layout(params)).array(walks)``
        Identifiers of the accesses of each walker.
    flush, drop : ``In(...)``
        An invalidation is in progress; entries to drop, as in :class:`~rtl.iommu.tlb.Tlb`.
    stale : ``Out(1)``
        A walk that began before an invalidation still reads tables.
    locks, holds : ``Out(1)``, ``In(1)``
        A walker updates an entry; none may begin to.
    started : ``Out(1)``
        Strobe: a walk of the first stage begins.
    events : ``Out(EventSignature(params)).array(...)``
        Events of each walker; none without ``hpm``.

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
                "valid": Out(1), "key": Out(KeyLayout(params)), "leaf": Out(leaf_layout(params)),
                "fresh": Out(int(params.prefetch))})),
            "table": Out(ReadSignature(params.phys_bits)).array(params.walks),
            "store": Out(WriteSignature(params.phys_bits)).array(params.walks),
            "qos": Out(qos_layout(params)).array(params.walks),
            "flush": In(1), "stale": Out(1), "started": Out(1), "locks": Out(1), "holds": In(1),
            "drop": In(wiring.Signature({"valid": Out(1), "payload": Out(DropLayout(params))})),
            "events": Out(EventSignature(params)).array(params.walks * params.hpm),
        })

    def elaborate(self, platform):
        m = Module()
        params, walks = self._params, self._params.walks
        # Walkers at work; to be in the next cycle, for the page after that of the request; whose
        # answer is on its way to the TLB; that have met an invalidation; that somebody waits for;
        # that wait for the second level of the TLB, and have found something there.
        busy, steps, closing, stale, wanted, done, probes, hits = (
            Signal(walks, name=name) for name in
            ("busy", "steps", "closing", "stale", "wanted", "done", "probes", "hits"))
        requests = Signal(data.ArrayLayout(ask_layout(params)["walk"].shape, walks))
        shortcuts = Signal(data.ArrayLayout(ShortcutLayout(params), walks))
        m.submodules.walkers = group = Module()
        walkers = [PageWalker(params) for _ in range(walks)]
        for k, walker in enumerate(walkers):
            group.submodules[f"walker_{k}"] = walker
            connect(m, walker.table, flipped(self.table[k]))
            connect(m, walker.store, flipped(self.store[k]))
            if self._params.hpm:
                connect(m, walker.event, flipped(self.events[k]))
            m.d.comb += [
                walker.service.want.eq(busy[k]), done[k].eq(walker.service.valid),
                self.qos[k].eq(requests[k].context.qos),
                walker.service.request.eq(requests[k]), walker.shortcut.eq(shortcuts[k]),
            ]
        m.d.comb += self.started.eq(Cat(walker.started for walker in walkers).any())
        m.submodules.cache = cache = WalkCache(params)
        m.d.comb += [cache.flush.eq(self.flush),
                     self.stale.eq(((busy | steps | probes) & stale).any())]

        if walkers[0].guest:
            m.submodules.guests = guests = GuestCache(params)
            m.d.comb += guests.flush.eq(self.flush)
            for k, walker in enumerate(walkers):
                connect(m, walker.guest[0], guests.walkers[k])
                m.d.comb += [guests.contexts[k].eq(requests[k].context),
                             guests.stale[k].eq(stale[k])]

        asked, taken, same, spot = self._accept(
            m, requests, busy | probes, steps, closing, stale, done | hits)
        m.d.comb += [cache.page.eq(asked.walk.page), cache.context.eq(asked.walk.context)]
        if params.prefetch:
            with m.If(taken & same.any()):
                m.d.sync += wanted.eq(wanted | spot)
        self._answer(m, walkers, requests, busy, steps, closing, stale, wanted,
                     Mux(hits.any(), 0, done), shortcuts)
        if params.second_entries:
            self._second(m, requests, busy, closing, stale, probes, hits)
        for k, (walker, request) in enumerate(zip(walkers, requests, strict=True)):
            with m.If(walker.found.valid):
                m.d.sync += shortcuts[k].eq(walker.found.table)
                m.d.comb += [cache.fill.eq(~stale[k] & ~self.flush),
                             cache.new.eq(walker.found.table), cache.new_page.eq(request.page),
                             cache.new_context.eq(request.context)]
            with m.If(taken & spot[k] & ~same.any()):
                m.d.sync += [
                    request.eq(asked.walk), shortcuts[k].eq(cache.found), stale[k].eq(asked.stale),
                    busy[k].eq(~asked.walk.ahead.any()), steps[k].eq(asked.walk.ahead.any()),
                    wanted[k].eq(~asked.walk.ahead.any())]
                if params.second_entries:
                    walk = asked.walk
                    with m.If(walk.canonical & ~walk.bypass & ~walk.ahead.any() &
                              ~walk.implicit.any() & Cat(walk.context.paged,
                                                         walk.context.guest).any()):
                        m.d.sync += [probes[k].eq(1), busy[k].eq(0)]
            with m.If(self.flush):
                m.d.sync += stale[k].eq(1)
        self._share_updates(m, walkers)
        return m

    def _accept(self, m, requests, busy, steps, closing, stale, done):
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

        asked, taken = Signal(ask_layout(self._params)), Signal()
        same, free, spot = (Signal(walks, name=name) for name in ("same", "free", "spot"))
        valid, ready = Signal(), Signal()
        question, ahead = self._question(asked.walk), asked.walk.ahead.any()
        m.d.comb += [
            # An answer on its way to the TLB is worth waiting for.
            same.eq(Mux(ahead, 0, (busy | closing) & ~stale & Cat(
                self._question(request) == question for request in requests))),
            free.eq(~busy & ~steps & ~closing),
            spot.eq(Mux(same.any(), lowest(same), lowest(free))),
            ready.eq(Mux(same.any(), ~(same & (done | closing)).any(),
                         Mux(ahead, self._spare(free), free.any()))),
            taken.eq(valid & ready),
        ]
        with m.Switch(choice):
            for k, ask in enumerate(self.asks):
                with m.Case(k):
                    m.d.comb += [valid.eq(ask.request.valid), asked.eq(ask.request.payload),
                                 ask.request.ready.eq(ready)]
        for ask in self.asks:
            m.d.comb += ask.walker.eq(encode(spot))
        return asked, taken, same, spot

    def _spare(self, free):
        """Whether a walker can be had that leaves another one for who comes next."""
        return (free & ~lowest(free)).any() if len(free) > 1 else free.any()

    def _question(self, walk):
        """All that tells an answer from another."""
        context, key = walk.context, KeyLayout(self._params)
        return Cat(walk.page, walk.canonical, walk.kind, walk.privileged, walk.bypass,
                   walk.implicit, context.paged, context.sum, context.sade, context.gade,
                   *key.of(walk.page, context).values())

    def _answer(self, m, walkers, requests, busy, steps, closing, stale, wanted, done, shortcuts):
        """Let one walker answer that is done, and perhaps go on to the next page."""
        chosen, keep, good = Signal(len(done)), Signal(), Signal()
        key, fill, prefetch = KeyLayout(self._params), self.fill, self._params.prefetch
        m.d.comb += [chosen.eq(lowest(done)), self.answer.walker.eq(encode(chosen))]
        m.d.sync += [closing.eq(chosen), fill.valid.eq(keep & ~self.flush)]
        for k, (walker, request) in enumerate(zip(walkers, requests, strict=True)):
            reply, ahead = walker.service.reply, request.ahead.any()
            m.d.comb += walker.service.take.eq(chosen[k])
            with m.If(chosen[k]):
                m.d.comb += [
                    good.eq(reply.cause == Cause.NONE), self.answer.reply.eq(reply),
                    self.answer.valid.eq(wanted[k] & (good | ~ahead)),
                    keep.eq(good & ~stale[k] & ~request.implicit.any())]
                m.d.sync += busy[k].eq(0)
                m.d.sync += [fill.key[name].eq(value)
                             for name, value in key.of(request.page, request.context).items()]
                m.d.sync += [fill.leaf.page.eq(reply.page), fill.leaf.flags.eq(reply.flags),
                             fill.fresh.eq(~wanted[k])]
                if prefetch:
                    # What was found ahead is no answer if it is a fault: who waits, needs a walk.
                    with m.If(ahead & ~good & wanted[k]):
                        m.d.sync += [busy[k].eq(1), request.ahead.eq(0)]
                    with m.If(keep & wanted[k] & self._goes_on(request, reply, shortcuts[k]) &
                              self._spare(~busy | chosen)):
                        m.d.sync += [steps[k].eq(1), wanted[k].eq(0)]
            if prefetch:
                with m.If(steps[k]):
                    m.d.sync += [steps[k].eq(0), busy[k].eq(1), request.ahead.eq(1),
                                 request.page[:VPN_BITS].eq(request.page[:VPN_BITS] + 1)]
        m.d.comb += [fill.key.covers.eq(fill.leaf.page.covers), fill.key.g.eq(fill.leaf.flags.g)]

    def _goes_on(self, request, reply, shortcut):
        """Whether the page of 4 KiB is not the last of its table. None may be an interrupt file."""
        return (shortcut.hit & ~reply.page.covers.any() & ~request.page[:VPN_BITS].all() &
                ~request.context.msi.any())

    def _second(self, m, requests, busy, closing, stale, probes, hits):
        """Ask the second level for one walker after the other."""
        m.submodules.second = second = SecondTlb(self._params)
        connect(m, flipped(self.drop), second.drop)
        fill, probe, looks = self.fill, second.probe, Signal()
        m.d.comb += [
            second.flush.eq(self.flush), second.fill.valid.eq(fill.valid),
            second.fill.key.eq(fill.key), second.fill.leaf.eq(fill.leaf),
            probe.valid.eq(probes.any() & ~looks),
        ]
        m.d.sync += looks.eq(Mux(looks, ~second.answered, probe.valid & probe.ready))
        key, question = KeyLayout(self._params), probe.payload
        for k, request in reversed(list(enumerate(requests))):
            with m.If(probes[k]):
                m.d.comb += [
                    question.walker.eq(k), question.access.kind.eq(request.kind),
                    question.access.privileged.eq(request.privileged & request.context.paged),
                    question.sum.eq(request.context.sum)]
                m.d.comb += [question.key[name].eq(value) for name, value
                             in key.of(request.page, request.context).items()]
            with m.If(second.answered & (second.walker == k)):
                m.d.comb += hits[k].eq(second.hit)
                m.d.sync += [probes[k].eq(0), busy[k].eq(~second.hit)]
            with m.If(hits[k]):
                m.d.comb += [self.answer.valid.eq(1), self.answer.walker.eq(k),
                             self.answer.reply.eq(0), self.answer.reply.page.eq(second.leaf.page)]
                m.d.sync += [closing[k].eq(1), fill.valid.eq(~stale[k] & ~self.flush),
                             fill.leaf.eq(second.leaf), fill.fresh.eq(0)]
                m.d.sync += [fill.key[name].eq(value)
                             for name, value in key.of(request.page, request.context).items()]

    def _share_updates(self, m, walkers):
        """Let one walker at a time read exclusively: memory has one reservation for all."""
        owner = Signal(len(walkers))
        wants = Cat(walker.locks for walker in walkers)
        with m.If(~(owner & wants).any()):
            m.d.sync += owner.eq(lowest(wants))
        m.d.comb += self.locks.eq(wants.any())
        m.d.comb += [walker.may_lock.eq(owner[k] & ~self.holds)
                     for k, walker in enumerate(walkers)]
