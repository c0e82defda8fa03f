"""What is to be done about a request."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.iommu.replacement import TreePlru
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode

from .layouts import Cause, Kind, RequestLayout, RowLayout
from .masks import count, first, number
from .plan import Plan

__all__ = ["Verdict", "ViewLayout"]


class ViewLayout(data.StructLayout):
    """What a look at a set shows.

    ``row``: its state. ``match``: ways whose tag is that of the request. ``below``, ``above``: ways
    whose line is outside the range of the maintenance. ``busy``: ways that refills are changing.
    ``same``: one brings this very line, and ``slot`` tells which.
    """

    def __init__(self, params: CacheParams):
        super().__init__({"row": RowLayout(params), "match": params.ways,
                          "below": params.ways, "above": params.ways, "busy": params.ways,
                          "same": 1, "slot": params.misses})


class Verdict(wiring.Component):
    """Decide about a request, from what a look at its set has shown.

    Combinational, but for the number that chooses a victim at random.

    Exactly one of ``hit``, ``miss``, ``launch``, ``drop``, ``wait`` and ``done`` is high.

    Which lines are replaced: a miss takes the lowest way that holds no line nor soon will, or else
    the victim of the tree pseudo-LRU (:class:`~rtl.iommu.replacement.TreePlru`, where a bit 0
    points to the lower half; all are 0 after reset). The tree is touched by every part of a burst
    within one line: with the way that it hits, or with the way that it takes, even if write-back or
    refill then fails. Bypass and maintenance do not touch it. With ``params.random``, a number
    chooses instead. A refill that fails leaves its way without a line; an old line that cannot be
    written back stays, dirty.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    request : ``In(RequestLayout(params))``, view : ``In(ViewLayout(params))``
        Request, and what its set looks like.
    way_coming : ``In(way_bits)``
        Way that the refill of this very line fills.
    give_up : ``In(1)``
        A line in the way of an uncacheable access could not be written back.
    taken : ``In(1)``
        A miss is accepted: the next victim will be another, if they are random.
    hit : ``Out(1)``
        The access may go to the data array.
    miss : ``Out(1)``
        The way ``pick`` is to be filled; ``dirty`` if it has to be written back before.
    launch : ``Out(1)``
        The way ``pick`` is to be written back, because of ``cause``.
    drop : ``Out(1)``
        Lines may be dropped.
    more : ``Out(1)``
        With ``launch`` or ``drop``: that is not all.
    wait : ``Out(1)``
        Nothing can be done before a task has changed the set.
    done : ``Out(1)``
        Maintenance, or the search for an uncacheable line, has nothing more to do.
    way : ``Out(way_bits)``
        Way of a hit.
    pick : ``Out(ways)``
        One-hot.
    new : ``Out(RowLayout(params))``
        State of the set after that.
    dropped : ``Out(range(ways + 1))``
        Lines that maintenance drops.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "request": In(RequestLayout(params)), "view": In(ViewLayout(params)),
            "way_coming": In(params.way_bits), "give_up": In(1), "taken": In(1),
            "hit": Out(1), "miss": Out(1), "dirty": Out(1), "launch": Out(1), "cause": Out(Cause),
            "drop": Out(1), "more": Out(1), "wait": Out(1), "done": Out(1),
            "way": Out(params.way_bits), "pick": Out(params.ways), "new": Out(RowLayout(params)),
            "dropped": Out(range(params.ways + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        ways = self.params.ways
        tree = TreePlru(ways)
        request, view, row, pick, new = (self.request, self.view, self.view.row, self.pick,
                                         self.new)
        is_bypass = request.kind == Kind.BYPASS
        taken = row.valid | view.busy           # each holds a line, or soon will
        m.submodules.plan = plan = Plan(self.params)

        found = Signal(ways)
        m.d.comb += [
            found.eq(row.valid & view.match),
            plan.request.eq(request),
            plan.row.eq(row),
            plan.ways.eq(found),
            self.way.eq(Mux(view.same, self.way_coming, number(found))),
            new.eq(row),
        ]
        with m.If(request.kind == Kind.SET):
            m.d.comb += plan.ways.eq(
                (~(view.below | view.above) | request.whole.replicate(ways)) & ~request.tried)

        if self.params.random:              # x^16 + x^15 + x^13 + x^4 + 1 has the longest period
            chance = Signal(16, init=1)
            oldest = Signal(ways)
            with m.If(self.taken):
                m.d.sync += chance.eq(Cat(chance[15] ^ chance[14] ^ chance[12] ^ chance[3], chance))
            m.d.comb += oldest.eq(1 << chance[:self.params.way_bits])
        else:
            oldest = tree.victim(row.plru)

        with m.If(request.kind == Kind.ACCESS):
            used = Signal(ways)
            victim = Signal(ways)
            m.d.comb += [
                used.eq(Mux(view.same, 1 << self.way_coming, found)),
                victim.eq(Mux(taken.all(), oldest, first(~taken))),
                pick.eq(victim),
                # A line that is being replaced is neither there nor away.
                self.hit.eq(view.same | (found & ~view.busy).any()),
                self.miss.eq(~view.same & ~found.any()
                             & ~(victim & (row.pending | view.busy)).any()),
                self.wait.eq(~self.hit & ~self.miss),
                self.dirty.eq((victim & row.valid & row.dirty).any()),
                self.cause.eq(Cause.EVICT),
            ]
            if not self.params.random:
                m.d.comb += new.plru.eq(Mux(self.hit, tree.touch(row.plru, used),
                                            tree.touch(row.plru, victim)))
            with m.If(self.hit & request.write & ~view.same):
                m.d.comb += new.dirty.eq(row.dirty | found)
        with m.Elif(self.give_up):
            m.d.comb += self.done.eq(1)
        with m.Elif(view.busy.any()):
            m.d.comb += self.wait.eq(1)
        with m.Elif(plan.launch.any()):
            m.d.comb += [
                self.launch.eq(1),
                pick.eq(first(plan.launch)),
                self.more.eq(((plan.launch & ~pick) | plan.wait | plan.drop).any()),
                new.dirty.eq(row.dirty & ~pick),
                new.pending.eq(row.pending | pick),
            ]
            with m.If(is_bypass):
                m.d.comb += self.cause.eq(Cause.PURGE)
            with m.Elif(request.mode == CacheMode.CLEAN_SHARED):
                m.d.comb += self.cause.eq(Cause.CLEAN)
            with m.Else():
                m.d.comb += self.cause.eq(Cause.FLUSH)
        with m.Elif(plan.drop.any()):
            m.d.comb += [
                self.drop.eq(1),
                self.more.eq(plan.wait.any()),
                new.valid.eq(row.valid & ~plan.drop),
                new.dirty.eq(row.dirty & ~plan.drop),
                self.dropped.eq(Mux(is_bypass, 0, count(plan.drop))),
            ]
        with m.Elif(plan.wait.any()):
            m.d.comb += self.wait.eq(1)
        with m.Else():
            m.d.comb += self.done.eq(1)
        return m
