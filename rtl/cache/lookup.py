"""Look lines up, and decide what happens to them."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import CacheParams
from rtl.stream.queue import Queue

from .bypass import ProbeSignature
from .change import Change
from .guard import Guard, WindowsLayout
from .lanes import Lanes
from .layouts import (
    Cause,
    EventLayout,
    FlightSignature,
    Kind,
    LineLayout,
    MissLayout,
    Op,
    OrderLayout,
    PresenceSignature,
    RequestLayout,
    TaskLayout,
    VictimLayout,
)
from .maintenance import WalkSignature
from .masks import number
from .stores import Stores
from .tags import Tags
from .verdict import Verdict, ViewLayout

__all__ = ["Lookup"]

#: Lines that may wait to be copied to memory.
LINES = 2


class Lookup(wiring.Component):
    """Find the way of each request, keep the state of all lines, give orders to the data array.

    A pipeline of three cycles: read the set; compare the tags; decide and give the order. One
    request a cycle, unless something dirty has to be written back first. A miss is told to the
    refill two cycles after the request. :class:`~rtl.cache.verdict.Verdict` decides.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    requests : ``In(stream.Signature(RequestLayout(params)))``
        What to look up.
    tasks : ``In(stream.Signature(TaskLayout(params)))``
        Changes of state that the bus has allowed; before requests.
    orders : ``Out(stream.Signature(OrderLayout(params)))``
        What the data array has to do, in the order of the requests.
    aside : ``Out(stream.Signature(OrderLayout(params)))``
        Those that overtake; as of :class:`~rtl.cache.lanes.Lanes`.
    stored : ``In(1)``
        The data array has done a write.
    lines : ``Out(stream.Signature(VictimLayout(params)))``
        Lines to copy to memory; all stores into them are done.
    misses : ``Out(stream.Signature(MissLayout(params)))``
        Lines to bring in.
    flight : ``Out(FlightSignature(params))``
        The refills in flight.
    probe : ``Out(ProbeSignature(params))``
        For the bypass.
    walk : ``In(WalkSignature(params))``, windows : ``In(WindowsLayout(params))``
        For maintenance; where accesses are not cached.
    presence : ``In(PresenceSignature(params))``
        For the snoop port, if there is one.
    events : ``Out(EventLayout(params))``
        For the counters.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "requests": In(stream.Signature(RequestLayout(params))),
            "tasks": In(stream.Signature(TaskLayout(params))),
            "orders": Out(stream.Signature(OrderLayout(params))),
            "aside": Out(stream.Signature(OrderLayout(params))), "stored": In(1),
            "lines": Out(stream.Signature(VictimLayout(params))),
            "misses": Out(stream.Signature(MissLayout(params))),
            "flight": Out(FlightSignature(params)),
            "probe": Out(ProbeSignature(params)),
            "walk": In(WalkSignature(params)), "windows": In(WindowsLayout(params)),
            "events": Out(EventLayout(params)),
            **({"presence": In(PresenceSignature(params))} if params.snoop else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.tags = tags = Tags(params)
        m.submodules.queue = queue = Lanes(params)
        m.submodules.verdict = verdict = Verdict(params)
        m.submodules.change = change = Change(params)
        m.submodules.guard = guard = Guard(params)
        connect(m, queue.o, flipped(self.orders))
        connect(m, queue.aside, flipped(self.aside))
        room = queue.level <= params.orders - 2
        m.submodules.lines = lines = Queue(VictimLayout(params), LINES)
        m.submodules.stores = stores = Stores(params, max(4, params.orders // 2))
        connect(m, lines.o, flipped(self.lines))

        # Compared in this cycle.
        coming = Signal(RequestLayout(params))
        has_coming = Signal()
        shown = Signal()                    # `tags` shows its set
        # Decided in this cycle.
        req = Signal(RequestLayout(params))
        has_req = Signal()
        view = Signal(ViewLayout(params))
        pick = Signal(params.ways)
        slot = Signal(params.misses)
        cause = Signal(Cause)
        purge_failed = Signal()
        more = Signal()
        is_bypass = req.kind == Kind.BYPASS
        is_upkeep = req.kind.as_value() >= Kind.LINE.value
        for_device = req.snoop.any()

        line = Signal(LineLayout(params))  # to compare
        order, task = queue.i.p, self.tasks.p
        leaves = Signal()                   # `req` is done
        m.d.comb += [
            line.eq(coming.line),
            guard.i.eq(coming),
            guard.windows.eq(self.windows),
            tags.read.eq(1),
            tags.tag.eq(line.tag),
            self.flight.line.eq(line),
            tags.low.eq(self.walk.low),
            tags.high.eq(self.walk.high),
            tags.asked.eq(self.walk.asked),
            self.walk.some_full.eq(tags.some_full | self.flight.moving),
            self.walk.some_dirty.eq(tags.some_dirty | self.flight.moving),
            tags.pick.eq(pick),
            tags.write_set.eq(req.line.set),
            tags.write_row.eq(verdict.new),
            tags.fill_tag.eq(task.line.tag),
            verdict.request.eq(req),
            verdict.view.eq(view),
            self.flight.asked.eq(view.slot),
            verdict.way_coming.eq(self.flight.way),
            verdict.give_up.eq(purge_failed & is_bypass),
            verdict.taken.eq(self.misses.valid & self.misses.ready),
            change.task.eq(task),
            change.row.eq(tags.row),
            self.probe.part.eq(req),
            self.probe.failed.eq(purge_failed),
            self.walk.line.eq(req.line),
            self.walk.mode.eq(req.mode),
            self.walk.single.eq(req.kind == Kind.LINE),
            self.walk.tried.eq(req.tried),
            self.walk.calm.eq(lines.level != LINES),
            self.walk.working.eq((has_req & is_upkeep)
                                 | (has_coming & (coming.kind.as_value() >= Kind.LINE.value))),
            self.misses.p.line.eq(req.line),
            self.misses.p.way.eq(number(verdict.pick)),
            self.misses.p.word.eq(req.offset[params.offset_bits - params.word_bits:]),
            self.misses.p.evict.eq(verdict.dirty),
            self.misses.p.write.eq(req.write),
            order.op.eq(Mux(req.write, Op.WRITE, Op.READ)),
            order.way.eq(number(pick)),
            order.slot.eq(slot),
            self.flight.refers.eq(slot),
            stores.i.valid.eq(queue.i.valid & queue.i.ready & (order.op == Op.WRITE)),
            stores.i.p.set.eq(order.line.set),
            stores.i.p.way.eq(order.way),
            stores.done.eq(self.stored),
            stores.asked.set.eq(req.line.set),
            stores.asked.way.eq(number(pick)),
            lines.i.p.line.set.eq(req.line.set),
            lines.i.p.line.tag.eq(tags.picked),
            lines.i.p.way.eq(number(pick)),
            lines.i.p.slot.eq(slot),
            lines.i.p.cause.eq(cause),
            lines.i.p.snoop.eq(req.snoop),
        ]
        if params.snoop:
            presence = self.presence
            m.d.comb += [
                tags.snooped.eq(presence.line),
                self.flight.snooped.eq(presence.line),
                presence.near.eq(~tags.ready | self.flight.coming
                                 | (has_coming & (coming.line == presence.line))
                                 | (has_req & (req.line == presence.line))),
                presence.valid.eq(tags.snooped_valid),
                presence.dirty.eq(tags.snooped_dirty),
                presence.pending.eq(tags.snooped_pending),
                presence.left.eq(for_device & (leaves | presence.launched)),
                presence.launched.eq(for_device & lines.i.valid & lines.i.ready),
            ]
        m.d.comb += [order[name].eq(req[name]) for name in OrderLayout(params).members
                     if name in RequestLayout(params).members]

        def look():
            """Take what `tags` shows, and what is being written to the same set."""
            near = missed & (line.set == req.line.set)      # a miss of this very cycle
            busy = self.flight.busy | Mux(near, verdict.pick, 0)
            slots = Signal(params.misses)
            m.d.comb += slots.eq(self.flight.slot | Mux(near & (line.tag == req.line.tag),
                                                        self.flight.next, 0))
            m.d.sync += [view.match.eq(tags.match), view.below.eq(tags.below),
                         view.above.eq(tags.above), view.busy.eq(busy),
                         view.same.eq(slots.any()), view.slot.eq(slots),
                         view.row.eq(Mux(tags.write & (tags.write_set == line.set),
                                         tags.write_row, tags.row))]

        missed = self.misses.valid & self.misses.ready
        with m.FSM(name="lookup"):
            with m.State("FLOW"):
                active = has_req & ~self.probe.hold & (stores.i.ready | ~req.write)
                stays = req.stay.any()
                hit = active & verdict.hit
                last_probe = verdict.done & is_bypass & req.closes
                launched = Signal()
                later = Signal()
                # Maintenance never waits here: it goes, and comes again.
                again = active & is_upkeep & ~stays & (
                    verdict.wait | (verdict.launch & ~lines.i.ready)
                    | (verdict.drop & verdict.more))
                m.d.comb += [
                    self.walk.again.eq(again & ~for_device),
                    self.misses.valid.eq(active & verdict.miss & room & queue.clear),
                    queue.free.eq(verdict.hit & ~view.same & ~req.write & ~req.silent.any()
                                  & req.starts & req.opens & req.last & stores.none),
                    launched.eq(active & verdict.launch & lines.i.ready),
                    # A store waits for the old line to be copied; a load does not.
                    later.eq(verdict.dirty & req.write),
                    queue.i.valid.eq((active & (verdict.hit | last_probe)) | (missed & ~later)),
                    order.way.eq(Mux(verdict.miss, number(verdict.pick), verdict.way)),
                    order.miss.eq(view.same | verdict.miss),
                    order.slot.eq(Mux(verdict.miss, self.flight.next, view.slot)),
                ]
                with m.If(verdict.done):
                    m.d.comb += order.op.eq(Op.BYPASS)
                m.d.comb += [
                    leaves.eq(active & Mux(
                        queue.i.valid, queue.i.ready & ~(missed & verdict.dirty),
                        verdict.done | (verdict.drop & ~verdict.more & ~is_bypass) | again)),
                    tags.write.eq((hit & leaves) | missed | launched
                                  | (active & verdict.drop)),
                    self.flight.refer.eq(missed & ~later | (hit & leaves & view.same)),
                    self.flight.refers.eq(order.slot),
                    self.flight.soil.eq(self.flight.refer & req.write),
                    self.probe.done.eq(leaves & is_bypass),
                    self.walk.launched.eq(launched & ~is_bypass & ~for_device),
                    self.events.read_hit.eq(hit & leaves & req.starts & ~req.write),
                    self.events.write_hit.eq(hit & leaves & req.starts & req.write),
                    self.events.read_miss.eq(missed & req.starts & ~req.write),
                    self.events.write_miss.eq(missed & req.starts & req.write),
                    self.events.dropped.eq(Mux(active & ~for_device, verdict.dropped, 0)),
                ]
                m.d.sync += [pick.eq(verdict.pick), cause.eq(verdict.cause),
                             slot.eq(self.flight.next), more.eq(verdict.more)]
                with m.If(leaves & last_probe):
                    m.d.sync += purge_failed.eq(0)

                # What is read does not depend on the verdict, which comes late in the cycle.
                with m.If(self.tasks.valid):
                    m.d.comb += tags.set.eq(task.line.set)
                with m.Elif(has_coming & ~shown):
                    m.d.comb += tags.set.eq(coming.line.set)
                with m.Else():
                    m.d.comb += tags.set.eq(self.requests.p.line.set)
                with m.If(leaves | ~has_req):
                    m.d.comb += guard.go.eq(has_coming & shown)
                    m.d.sync += [req.eq(guard.o), has_req.eq(guard.go), shown.eq(1)]
                    look()
                    with m.If(self.tasks.valid):
                        m.d.sync += has_coming.eq(has_coming & ~shown)
                        m.next = "CHANGE"
                    with m.Elif(~has_coming | shown):
                        m.d.comb += self.requests.ready.eq(tags.ready)
                        m.d.sync += [coming.eq(self.requests.payload),
                                     has_coming.eq(self.requests.valid & tags.ready)]
                with m.Else():
                    m.d.sync += shown.eq(has_coming & ~shown & ~self.tasks.valid)
                    with m.If(missed | launched):
                        m.next = "VICTIM"
                    with m.Elif(self.tasks.valid):
                        m.next = "CHANGE"
                    with m.Elif(active & verdict.drop):
                        m.next = "LOOK"

            with m.State("VICTIM"):
                m.d.comb += tags.set.eq(req.line.set)
                m.d.sync += shown.eq(0)
                m.next = "READOUT"
            with m.State("READOUT"):        # `tags` shows the set
                m.d.comb += [tags.set.eq(req.line.set), lines.i.valid.eq(~stores.busy)]
                with m.If(lines.i.valid & lines.i.ready):
                    with m.If((req.kind == Kind.ACCESS) & req.write):
                        m.next = "ORDER"
                    with m.Elif(req.kind == Kind.ACCESS):
                        m.d.sync += has_req.eq(0)
                        m.next = "FLOW"
                    with m.Elif(is_upkeep):
                        m.d.comb += [self.walk.again.eq(more & ~for_device),
                                     self.walk.tried.eq(req.tried | pick)]
                        m.d.sync += has_req.eq(0)
                        m.next = "FLOW"
                    with m.Else():
                        m.next = "SEE"

            with m.State("ORDER"):
                m.d.comb += [
                    tags.set.eq(coming.line.set),
                    queue.i.valid.eq(1),
                    order.miss.eq(1),
                    self.flight.refer.eq(1),
                ]
                m.d.sync += [has_req.eq(0), shown.eq(1)]
                m.next = "FLOW"

            with m.State("CHANGE"):         # `tags` shows the set of the task
                m.d.comb += [
                    tags.read.eq(0),
                    self.tasks.ready.eq(1),
                    tags.write.eq(1),
                    tags.write_set.eq(task.line.set),
                    tags.write_row.eq(change.new),
                    tags.fill.eq(change.fill),
                    self.walk.settled.eq(change.settled),
                    self.events.dropped.eq(change.dropped),
                ]
                with m.If(change.purge_failed):
                    m.d.sync += purge_failed.eq(1)
                m.d.sync += shown.eq(0)
                with m.If(has_req & (req.line.set == task.line.set)):
                    m.next = "LOOK"
                with m.Else():
                    m.next = "FLOW"

            with m.State("LOOK"):           # once more
                m.d.comb += tags.set.eq(req.line.set)
                m.d.sync += shown.eq(0)
                m.next = "SEE"
            with m.State("SEE"):
                m.d.comb += line.eq(req.line)
                look()
                m.next = "FLOW"
        return m
