"""What a device reads is never older than an accepted store; proved from reset on.

Check decides when a device may go to memory. What it looks at is here a set of one way, changed by
Verdict and Change, as the lookup would: requests of CPU, maintenance and Check itself one at a
time, in any order and after any time, and answers of memory, good or bad, whenever they come.
"""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from rtl.cache.change import Change
from rtl.cache.layouts import Cause, Kind, RequestLayout, RowLayout, Task
from rtl.cache.snoop.check import Check
from rtl.cache.snoop.locks import Gate
from rtl.cache.verdict import Verdict
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]

PARAMS = CacheParams(phys_bits=32, id_width=1, size_bytes=32, ways=1, line_bytes=16, misses=1,
                     snoop=1, snoop_id_width=1)


class Spec(wiring.Component):
    """One way, the refill in flight, and whether memory has the newest bytes of one line.

    When Check lets a read of that line go, memory has them. When it lets a write go, the line is
    neither there nor on its way, and nobody is about to look it up. Besides: a line is not read
    from memory while memory has still to acknowledge it, and only what is there is written back.

    Parameters
    ----------
    blind : str
        Break what Check is told: ``"near"``, that a request for the line is being looked up, or
        that it is on its way; ``"pending"``, that memory has not acknowledged it.
    """

    def __init__(self, *, blind: str = ""):
        self.blind = blind
        request = RequestLayout(PARAMS)
        super().__init__({
            "reads": In(1), "writes": In(1), "full": In(1), "cpu": In(request), "asks": In(1),
            "decides": In(1), "tag": In(1), "other": In(1), "task": In(Task), "error": In(1),
            "answers": In(1), "give_up": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.check = check = Check(PARAMS)
        m.submodules.gate = gate = Gate(PARAMS)
        m.submodules.verdict = verdict = Verdict(PARAMS)
        m.submodules.change = change = Change(PARAMS)
        watched = AnyConst(1)
        row, held = Signal(RowLayout(PARAMS)), Signal(1)        # the way, and the tag of its line
        request, busy = Signal(RequestLayout(PARAMS)), Signal()  # being looked up
        newer, since = Signal(), Signal()   # than memory; than what is being written back
        cause, for_device = Signal(Cause), Signal()
        moving, moving_tag, soiled = Signal(), Signal(1), Signal()
        evicting, failed = Signal(), Signal()

        # The device. Everything is in one set, and tags have a bit.
        for port, valid in ((check.reads, self.reads), (check.writes, self.writes)):
            m.d.comb += [port.valid.eq(valid), port.p.line.tag.eq(self.tag),
                         port.p.beats.eq(PARAMS.beats - 1), port.p.size.eq(3),
                         port.p.write.eq(port is check.writes)]
        m.d.comb += check.full.eq(self.full)

        # What comes to be looked up.
        m.d.comb += [
            gate.locks[0].on.eq(check.locked), gate.locks[0].line.eq(check.line),
            gate.i.valid.eq(self.asks), gate.i.payload.eq(self.cpu),
            gate.o.ready.eq(~busy),
            check.steps.ready.eq(~busy & ~gate.o.valid),
            Assume(Value.cast(self.cpu.line) >> 1 == 0), Assume(~self.cpu.snoop.any()),
            Assume(~self.cpu.stay.any()), Assume(self.cpu.mode != 3),
            # Commands look up single lines here.
            Assume(self.cpu.kind != Kind.SET), Assume(self.cpu.line.set == 0),
        ]
        with m.If(~busy):
            m.d.sync += [busy.eq(gate.o.valid | check.steps.valid),
                         request.eq(Mux(gate.o.valid, gate.o.p, check.steps.p))]
        tag = request.line.tag[0]
        same = moving & (tag == moving_tag)
        device = request.snoop.any()
        m.d.comb += [
            verdict.request.eq(request), verdict.view.row.eq(row),
            verdict.view.match.eq(held == tag), verdict.view.busy.eq(moving),
            verdict.view.same.eq(same), verdict.taken.eq(1),
            verdict.give_up.eq(self.give_up & (request.kind == Kind.BYPASS)),
            change.row.eq(row), change.task.task.eq(self.task), change.task.dirty.eq(soiled),
            change.task.cause.eq(cause), change.task.error.eq(self.error),
            change.task.snoop.eq(for_device),
        ]

        # What Check is told: of this cycle, and in the next one the state.
        line, state = check.presence.line, check.presence
        is_upkeep = request.kind.as_value() >= Kind.LINE.value
        near = (busy & (request.line == line)) | (moving & (moving_tag == line.tag[0]))
        found = row.valid[0] & (held == line.tag[0])
        fills = self.answers & (self.task == Task.FILL)
        clash = Signal()
        valid, dirty, pending = Signal(), Signal(), Signal()
        m.d.sync += [valid.eq(found), dirty.eq(found & row.dirty[0]),
                     pending.eq(found & row.pending[0]), clash.eq(fills)]
        m.d.comb += [
            state.near.eq(0 if self.blind == "near" else near),
            state.valid.eq(valid | clash), state.dirty.eq(dirty),
            state.pending.eq(0 if self.blind == "pending" else pending | clash),
        ]

        # One thing happens in a cycle: a request is decided, or memory's answer acted upon.
        mine, ours = tag == watched, held == watched
        leaves = Signal()
        with m.If(self.answers):
            with m.Switch(self.task):
                with m.Case(Task.ACK):
                    m.d.comb += Assume(row.pending[0])
                    m.d.sync += row.eq(change.new)
                    with m.If(~self.error & ours):
                        m.d.sync += newer.eq(newer & since)
                with m.Default():
                    m.d.comb += Assume(moving & ~evicting & (failed == (self.task == Task.KEEP)))
                    m.d.sync += [row.eq(change.new), moving.eq(0)]
                    with m.If(fills):
                        m.d.sync += held.eq(moving_tag)
                    with m.If(~fills & soiled & (moving_tag == watched)):
                        m.d.sync += newer.eq(0)             # its stores are answered with an error
        with m.Elif(self.other & evicting):                 # memory answers for the old line
            m.d.sync += [evicting.eq(0), failed.eq(self.error)]
            with m.If(~self.error & ours):
                m.d.sync += newer.eq(0)
        with m.Elif(busy & self.decides):
            stays = request.stay.any()
            m.d.comb += [
                leaves.eq(Mux(is_upkeep, ~(verdict.wait & stays),
                              verdict.hit | verdict.miss | verdict.done)),
                state.left.eq(device & leaves), state.launched.eq(device & verdict.launch),
            ]
            m.d.sync += busy.eq(~leaves)
            with m.If(verdict.hit | verdict.miss | verdict.launch | verdict.drop):
                m.d.sync += row.eq(verdict.new)
            with m.If(verdict.hit & request.write):
                m.d.sync += soiled.eq(soiled | same)
                with m.If(mine):
                    m.d.sync += [newer.eq(1), since.eq(1)]
            held_here = row.valid[0] & (held == tag)
            with m.If(verdict.miss):
                m.d.comb += Assert(~(held_here & (row.pending[0] | evicting)),
                                   "read from memory before memory has it")
                m.d.sync += [moving.eq(1), moving_tag.eq(tag), soiled.eq(request.write),
                             evicting.eq(verdict.dirty), failed.eq(0)]
                with m.If(request.write & mine):
                    m.d.sync += newer.eq(1)
            with m.If(verdict.launch):
                m.d.comb += Assert(held_here & row.dirty[0], "written back, but not there")
                m.d.sync += [since.eq(0), cause.eq(verdict.cause), for_device.eq(device)]
            with m.If(verdict.drop & ours & (request.mode == CacheMode.MAKE_INVALIDATE)
                      & is_upkeep):
                m.d.sync += newer.eq(0)                     # that is what was asked for

        # What must hold.
        goes = check.o.valid & ~check.o.p.refused & (check.o.p.part.line.tag[0] == watched)
        here = row.valid[0] & ours
        m.d.comb += Assert(~goes | ~newer, "memory has old bytes")
        with m.If(goes & check.o.p.part.write):
            m.d.comb += [
                Assert(~here & ~(moving & (moving_tag == watched)), "a copy stays"),
                Assert(~(busy & (request.line.tag[0] == watched) & ~is_upkeep), "about to look"),
            ]
        return m


def test_holds(tmp_path):
    prove(Spec(), depth=14, work=tmp_path, mode="bmc")


@pytest.mark.parametrize("blind", ["near", "pending"])
def test_has_teeth(tmp_path, blind):
    with pytest.raises(Refuted):
        prove(Spec(blind=blind), depth=12, work=tmp_path, mode="bmc")
