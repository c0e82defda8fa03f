"""State of one set of the cache, proved by induction: for any order of requests and answers.

Verdict, Plan and Change decide everything that happens to a set; the lookup carries that out one
after the other. Assumed of the rest, and only this: a refill ends when its write-back, if it has
one, was answered; each write-back of maintenance is answered once. Tags are two bits wide, and any
two lines may be inside or outside of the range of the maintenance.
"""

import pytest
from amaranth import *
from amaranth.hdl import Assert, Assume
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from rtl.cache.change import Change
from rtl.cache.layouts import Cause, Kind, RequestLayout, RowLayout, Task
from rtl.cache.verdict import Verdict
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]

PARAMS = CacheParams(phys_bits=32, id_width=1, size_bytes=64, ways=2, line_bytes=16, misses=1)
WAYS = PARAMS.ways


class SetSpec(wiring.Component):
    """A set, its refills in flight, and for each way whether memory has its bytes.

    In each cycle one thing happens: a request is decided, or an answer of the bus is acted upon.
    ``forget`` breaks the design on purpose: a write-back that failed is taken for a good one.
    """

    def __init__(self, *, forget: bool = False):
        self.forget = forget
        super().__init__({
            "asks": In(1), "request": In(RequestLayout(PARAMS)), "tag": In(2), "taken": In(1),
            "below": In(WAYS), "above": In(WAYS), "give_up": In(1),
            "task": In(Task), "way": In(1), "error": In(1), "answer": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.verdict = verdict = Verdict(PARAMS)
        m.submodules.change = change = Change(PARAMS)
        row, tags = Signal(RowLayout(PARAMS)), Signal(data.ArrayLayout(2, WAYS))
        newer = Signal(WAYS)                # memory has not the bytes of this way
        since = Signal(WAYS)                # a store came after the write-back was launched
        causes = Signal(data.ArrayLayout(Cause, WAYS))
        # One bit a way: a refill brings it, and what has become of that.
        moving, evicting, failed, soiled = (Signal(WAYS, name=name) for name in (
            "moving", "evicting", "failed", "soiled"))
        coming = Signal(data.ArrayLayout(2, WAYS))

        same, way = Signal(WAYS), Signal(WAYS)
        m.d.comb += [same.eq(moving & Cat(tag == self.tag for tag in coming)),
                     way.eq(1 << self.way)]
        m.d.comb += [
            verdict.request.eq(self.request),
            verdict.view.row.eq(row),
            verdict.view.match.eq(Cat(tag == self.tag for tag in tags)),
            verdict.view.below.eq(self.below), verdict.view.above.eq(self.above),
            verdict.view.busy.eq(moving), verdict.view.same.eq(same.any()),
            verdict.way_coming.eq(same[1]),
            verdict.give_up.eq(self.give_up & (self.request.kind == Kind.BYPASS)),
            change.row.eq(row), change.task.task.eq(self.task), change.task.way.eq(self.way),
            change.task.dirty.eq((soiled & way).any()), change.task.cause.eq(causes[self.way]),
            change.task.error.eq(0 if self.forget else self.error),
        ]
        m.d.comb += Assume(self.request.mode != 3)

        with m.If(self.answer):             # to the write-back that makes room
            m.d.comb += Assume((moving & evicting & way).any())
            m.d.sync += evicting.eq(evicting & ~way)
            with m.If(self.error):
                m.d.sync += failed.eq(failed | way)
            with m.Else():
                m.d.sync += newer.eq(newer & ~way)
        with m.Elif(self.asks):
            m.d.comb += Assert(verdict.hit + verdict.miss + verdict.launch + verdict.drop
                               + verdict.wait + verdict.done == 1, "one verdict")
            with m.If(verdict.hit | (verdict.miss & self.taken) | verdict.launch | verdict.drop):
                m.d.sync += row.eq(verdict.new)
            with m.If(verdict.hit & self.request.write):
                m.d.sync += soiled.eq(soiled | same)
                with m.If(~same.any()):
                    m.d.sync += [newer.eq(newer | (1 << verdict.way)),
                                 since.eq(since | (1 << verdict.way))]
            with m.If(verdict.miss & self.taken):
                pick = verdict.pick
                m.d.comb += [Assert(~(pick & row.pending).any(), "written back already"),
                             Assert(~(pick & moving).any(), "a way for two lines")]
                m.d.sync += [moving.eq(moving | pick), coming[pick[1]].eq(self.tag),
                             failed.eq(failed & ~pick),
                             evicting.eq(Mux(verdict.dirty, evicting | pick, evicting & ~pick)),
                             soiled.eq(Mux(self.request.write, soiled | pick, soiled & ~pick))]
            with m.If(verdict.launch):
                m.d.sync += [since.eq(since & ~verdict.pick),
                             causes[verdict.pick[1]].eq(verdict.cause)]
            invalidates = ((self.request.kind.as_value() >= Kind.LINE.value)
                           & (self.request.mode == CacheMode.MAKE_INVALIDATE))
            with m.If(verdict.drop & invalidates):
                m.d.sync += newer.eq(newer & verdict.new.valid)
        with m.Else():
            m.d.sync += row.eq(change.new)
            with m.If(self.task == Task.ACK):
                m.d.comb += Assume((row.pending & way).any())
                with m.If(~self.error):
                    m.d.sync += newer.eq(newer & (~way | since))
            with m.Else():
                m.d.comb += Assume((moving & ~evicting & way).any()
                                   & ((failed & way).any() == (self.task == Task.KEEP)))
                m.d.sync += moving.eq(moving & ~way)
            with m.If(self.task == Task.FILL):
                m.d.sync += [tags[self.way].eq(coming[self.way]), since.eq(since | way),
                             newer.eq(Mux((soiled & way).any(), newer | way, newer & ~way))]

        # What must hold.
        m.d.comb += [
            Assert(~(row.valid.all() & (tags[0] == tags[1])), "a tag in two ways"),
            Assert(~(row.dirty & ~row.valid).any(), "dirty without a line"),
            Assert(~(newer & ~row.valid).any(), "bytes dropped that memory has not"),
            Assert(~(newer & ~row.dirty & ~row.pending).any(), "bytes forgotten"),
            # What makes it inductive.
            Assert(~(row.pending & ~row.valid).any()),
            Assert(~(newer & since & ~row.dirty).any()),
        ]
        m.d.comb += [
            Assert(~(moving.all() & (coming[0] == coming[1])), "a line on its way twice"),
            Assert(~(moving & row.pending).any()),
            Assert(~(moving & newer & ~evicting & ~failed).any()),
        ]
        for arriving in range(WAYS):
            here = row.valid & Cat(tag == coming[arriving] for tag in tags)
            m.d.comb += Assert(~(moving[arriving] & here.any()))
        return m


def test_state_of_a_set(tmp_path):
    prove(SetSpec(), depth=3, work=tmp_path / "set")
    with pytest.raises(Refuted):            # teeth
        prove(SetSpec(forget=True), depth=8, work=tmp_path / "forget", mode="bmc")
