"""Walks under way, and who waits for which."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import IommuParams
from rtl.spec.page_table import VPN_BITS

from .events import EventSignature
from .guest_cache import GuestCache
from .onehot import encode, lowest
from .page_walker import PageWalker
from .records import leaf_layout, qos_layout
from .second_lookups import SecondLookups
from .tables import ReadSignature, WriteSignature
from .tlb import DropLayout
from .tlb_entry import KeyLayout
from .walk_cache import WalkCache
from .walk_state import walk_signature

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
    spare : ``In(1)``
        A walk ahead would leave room for another one; only then may it be asked for.
    walker : ``In(range(walks))``
        With ``request.ready``: number of the walk.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "likely": Out(1), "request": Out(stream.Signature(ask_layout(params))),
            "spare": In(1), "walker": In(range(params.walks))})


class AnswerSignature(wiring.Signature):
    """What a walk has found, for all who wait for it. Directions are the walkers'.

    Members
    -------
    moved : ``Out(...)``
        ``valid``: walk ``target`` answers the question of ``source``, too, which ends with that.
        Who has waited for ``source`` waits for ``target``, from this cycle on.
    valid : ``Out(1)``
        The walk of ``walker`` has ended, in this cycle only.
    walker, reply : ``Out(...)``
        Which, and with what reply.
    """

    def __init__(self, params: IommuParams):
        number = range(params.walks)
        super().__init__({
            "moved": Out(wiring.Signature({
                "valid": Out(1), "source": Out(number), "target": Out(number)})),
            "valid": Out(1), "walker": Out(number),
            "reply": Out(walk_signature(params).reply_shape)})


class WalkPool(wiring.Component):
    """Give each question to the page walker, or to a walk that answers the same question already.

    The walk begins in the cycle after the question was accepted, one each cycle; in that cycle it
    is also known whether it joins another one. The answer is for all that have asked; it is written
    to the TLB at the same time, and no question is accepted then. An invalidation makes every walk
    under way stale: its answer is good for those who had asked before, it is not cached, and nobody
    joins it any more.

    With ``prefetch``, a walk that has found a page of 4 KiB goes on to the next page of the same
    table, and so does one that is asked ahead. That never faults and never updates an entry; it
    leaves room for who comes next, if there may be several walks.

    With a second level of the TLB, a walk begins when nothing was found there.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``walks`` is how many may be under way at once.
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
    table, store : ``Out(...)``
        Memory.
    table_qos, store_qos : ``Out(qos_layout(params))``
        Identifiers of those accesses.
    flush, drop : ``In(...)``
        An invalidation is in progress; entries to drop, as in :class:`~rtl.iommu.tlb.Tlb`.
    stale : ``Out(1)``
        A walk that began before an invalidation still reads tables.
    locks, holds : ``Out(1)``, ``In(1)``
        A walk updates an entry; none may begin to.
    started : ``Out(1)``
        Strobe: a walk of the first stage begins.
    events : ``Out(EventSignature(params)).array(...)``
        Events of walks; none without ``hpm``.

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
            "table": Out(ReadSignature(params.phys_bits)),
            "store": Out(WriteSignature(params.phys_bits)),
            "table_qos": Out(qos_layout(params)), "store_qos": Out(qos_layout(params)),
            "flush": In(1), "stale": Out(1), "started": Out(1), "locks": Out(1), "holds": In(1),
            "drop": In(wiring.Signature({"valid": Out(1), "payload": Out(DropLayout(params))})),
            "events": Out(EventSignature(params)).array(2 * params.hpm),
        })

    def elaborate(self, platform):
        m = Module()
        params, walks = self._params, self._params.walks
        m.submodules.walker = walker = PageWalker(params)
        m.submodules.cache = cache = WalkCache(params)
        connect(m, walker.table, flipped(self.table))
        connect(m, walker.store, flipped(self.store))
        for ours, event in zip(self.events, walker.events, strict=True):
            connect(m, event, flipped(ours))
        if walker.guest:
            m.submodules.guests = guests = GuestCache(params)
            connect(m, walker.guest[0], guests.walker)
            m.d.comb += guests.flush.eq(self.flush)

        # Walks under way; that have met an invalidation; that somebody waits for; for a page that
        # nobody has asked for. All that tells their answers from others, but the lowest bits of
        # their pages.
        busy, stale, wanted, ahead = (
            Signal(walks, name=name) for name in ("busy", "stale", "wanted", "ahead"))
        question = self._question(self.asks[0].request.p.walk)
        questions = Signal(data.ArrayLayout(len(question), walks))
        index = Signal(data.ArrayLayout(VPN_BITS, walks))
        m.d.comb += [
            walker.stale.eq(stale), walker.ahead.eq(ahead), walker.flush.eq(self.flush),
            self.locks.eq(walker.locks), walker.holds.eq(self.holds),
            self.table_qos.eq(walker.table_qos), self.store_qos.eq(walker.store_qos),
            *(walker.index[k].eq(index[k]) for k in range(walks)),
            self.started.eq(walker.started), self.stale.eq((busy & stale).any()),
            cache.flush.eq(self.flush), cache.fill.eq(walker.found.valid),
            cache.new.eq(walker.found.table), cache.new_page.eq(walker.found.page),
            cache.new_context.eq(walker.found.context),
        ]

        # Accept a question. It is compared with those under way, which is of use a cycle later.
        asked, taken = self._choose(m, busy, walker)
        free = Signal(walks)
        question, low = self._question(asked.walk), asked.walk.page[:VPN_BITS]
        begins, spot = Signal(), Signal(walks)
        new, same, joined = Signal(asked.walk.shape()), Signal(walks), Signal(walks)
        m.d.comb += [free.eq(lowest(~busy)), cache.page.eq(asked.walk.page),
                     cache.context.eq(asked.walk.context)]
        m.d.sync += [
            begins.eq(taken), spot.eq(free), new.eq(asked.walk),
            same.eq(busy & Cat((questions[k] == question) & (index[k] == low)
                               for k in range(walks))),
        ]
        m.d.sync += [wanted.eq(wanted | joined), busy.eq(busy | Mux(taken, free, 0))]
        for k in range(walks):
            with m.If(free[k]):         # nobody minds what is there
                m.d.sync += [questions[k].eq(question), index[k].eq(low), stale[k].eq(asked.stale),
                             ahead[k].eq(0), wanted[k].eq(1)]

        # Begin with it, or join.
        start, moved = walker.start, self.answer.moved
        m.d.comb += [
            joined.eq(Mux(begins & ~new.ahead.any(), lowest(same & busy & ~stale), 0)),
            moved.valid.eq(joined.any()), moved.source.eq(encode(spot)),
            moved.target.eq(encode(joined)), start.valid.eq(begins & ~joined.any()),
            start.walk.eq(encode(spot)), start.request.eq(new), start.shortcut.eq(cache.found),
        ]
        for k in range(walks):
            with m.If(spot[k] & joined.any()):
                m.d.sync += busy[k].eq(0)
            if params.prefetch:
                with m.If(spot[k] & begins & new.ahead):
                    m.d.sync += [ahead[k].eq(1), wanted[k].eq(0),
                                 index[k].eq(new.page[:VPN_BITS] + 1)]

        self._answer(m, walker, joined, busy, wanted, ahead, index)
        if params.second_entries:
            self._second(m, walker, new, stale, busy)
        with m.If(self.flush):
            m.d.sync += stale.eq(-1)
        return m

    def _choose(self, m, busy, walker):
        """Choose who asks, before it is known whether. Returns the question, and that strobe."""
        turn, choice = Signal(range(self._n)), Signal(range(self._n))
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
        self._room = room = Signal()
        spare = ~busy & ~lowest(~busy)
        m.d.comb += room.eq(~busy.all() & ~walker.result.valid)
        with m.Switch(choice):
            for k, ask in enumerate(self.asks):
                with m.Case(k):
                    m.d.comb += [
                        valid.eq(ask.request.valid), asked.eq(ask.request.payload),
                        ask.request.ready.eq(room),
                        ask.spare.eq(room & (spare.any() if len(busy) > 1 else 1))]
        for ask in self.asks:
            m.d.comb += ask.walker.eq(encode(lowest(~busy)))
        return asked, valid & room

    def _question(self, walk):
        """All that tells an answer from another, but the lowest bits of the page."""
        context, key = walk.context, KeyLayout(self._params)
        page = walk.page if self._params.two_stage else walk.page[:self._params.vpn_bits]
        return Cat(page[VPN_BITS:], walk.canonical, walk.kind, walk.privileged, walk.bypass,
                   walk.implicit, context.paged, context.sum, context.sade, context.gade,
                   *(value for name, value in key.of(walk.page, context).items()
                     if name != "vpn"))

    def _answer(self, m, walker, joined, busy, wanted, ahead, index):
        """Tell a result; the walk may go on to the next page."""
        result, answer, fill = walker.result, self.answer, self.fill
        done, goes, renews = (Signal(len(busy), name=name) for name in ("done", "goes", "renews"))
        self._goes = goes | renews
        waited, unasked = (done & (wanted | joined)).any(), (done & ahead).any()
        m.d.comb += [
            done.eq(Mux(result.valid, Cat(result.walk == k for k in range(len(busy))), 0)),
            answer.valid.eq(waited & (result.good | ~unasked)),
            answer.walker.eq(result.walk), answer.reply.eq(result.reply),
            fill.valid.eq(result.keep), fill.key.eq(result.key), fill.fresh.eq(~waited),
            fill.leaf.page.eq(result.reply.page), fill.leaf.flags.eq(result.reply.flags),
            fill.key.covers.eq(fill.leaf.page.covers), fill.key.g.eq(fill.leaf.flags.g),
        ]
        if self._params.prefetch:
            m.d.comb += [
                # What was found ahead is no answer if it is a fault: who waits, needs a walk.
                renews.eq(Mux(waited & unasked & ~result.good, done, 0)),
                goes.eq(Mux(waited & result.more & (~busy.all() | (len(busy) == 1)), done, 0)),
                walker.go.eq(self._goes),
            ]
        for k in range(len(busy)):
            with m.If(done[k]):
                m.d.sync += [busy[k].eq(renews[k] | goes[k]), ahead[k].eq(goes[k]),
                             wanted[k].eq(renews[k]), index[k].eq(index[k] + goes[k])]

    def _second(self, m, walker, new, stale, busy):
        """Look in the second level of the TLB first; what is found there is an answer, too."""
        m.submodules.second = second = SecondLookups(self._params)
        connect(m, flipped(self.drop), second.drop)
        start, ask, answer, fill = walker.start, second.ask, self.answer, self.fill
        context, hit = new.context, second.hit
        m.d.comb += [
            start.hold.eq(new.canonical & ~new.bypass & ~new.ahead.any() & ~new.implicit.any() &
                          Cat(context.paged, context.guest).any()),
            ask.valid.eq(start.valid & start.hold), ask.p.walker.eq(start.walk),
            ask.p.access.kind.eq(new.kind), ask.p.sum.eq(context.sum),
            ask.p.access.privileged.eq(new.privileged & context.paged),
            second.flush.eq(self.flush), second.fill.valid.eq(walker.result.keep),
            second.fill.key.eq(fill.key), second.fill.leaf.eq(fill.leaf),
            hit.ready.eq(~walker.result.valid),
        ]
        m.d.comb += [ask.p.key[name].eq(value) for name, value
                     in ask.p.key.shape().of(new.page, context).items()]
        with m.If(hit.valid):
            m.d.comb += self._room.eq(0)
        m.d.comb += walker.go.eq(self._goes | second.missed)
        with m.If(hit.valid & hit.ready):
            m.d.comb += [
                answer.valid.eq(1), answer.walker.eq(hit.p.walker), answer.reply.eq(0),
                answer.reply.page.eq(hit.p.leaf.page), fill.leaf.eq(hit.p.leaf),
                fill.key.eq(hit.p.key), fill.key.covers.eq(hit.p.leaf.page.covers),
                fill.key.g.eq(hit.p.leaf.flags.g), fill.fresh.eq(0),
                fill.valid.eq(~stale.bit_select(hit.p.walker, 1))]
            for k in range(len(busy)):
                with m.If(hit.p.walker == k):
                    m.d.sync += busy[k].eq(0)
