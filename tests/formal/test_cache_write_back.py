"""A dirty line gives up its place only when memory has it; proved from reset on, for any memory.

This is what the proof of the state of a set assumes of the rest: a refill ends when the write-back
that makes room for it was answered, and each write-back is answered once, as memory answered it.
"""

import pytest
from amaranth import *
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped

from rtl.axi.signature import Resp
from rtl.cache.layouts import Cause, Task
from rtl.cache.refill import Refill
from rtl.cache.write_back import WriteBack
from rtl.params import CacheParams
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]

PARAMS = CacheParams(phys_bits=32, id_width=1, size_bytes=64, ways=1, line_bytes=16, misses=2)
COUNT = 4                                   # bits of the numbers that lines carry


class WriteBackSpec(wiring.Component):
    """Lines come with numbers; memory answers addresses that it took, in order, as it likes.

    - Addresses go out in the order of the lines, none twice.
    - An answer is told of the line that it is for: as room if the line makes room, else as a task.
    - A line is told to be written only if memory's answer was good.

    Parameters
    ----------
    lie : bool
        Claim that memory never refuses a line.
    """

    def __init__(self, *, lie: bool = False):
        self.lie, self.dut = lie, WriteBack(PARAMS)
        super().__init__(self.dut.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        connect(m, flipped(self.victims), dut.victims)
        connect(m, dut.aw, flipped(self.aw))
        connect(m, flipped(self.b), dut.b)
        connect(m, dut.tasks, flipped(self.tasks))
        came, sent, answered, told = (Signal(COUNT, name=name)
                                      for name in ("came", "sent", "answered", "told"))
        # Of the lines by number, what they are for and what memory answered.
        rooms, wrong = Signal(1 << COUNT), Signal(1 << COUNT)
        victim, resp = dut.victims.p, dut.b.p.resp.as_value()
        makes_room = victim.cause == Cause.EVICT
        line = Signal(PARAMS.line_bits)
        m.d.comb += [
            Assume(Value.cast(victim.line) == came), Assume(came[-1] == 0),
            Assume((victim.slot == 1) | (victim.slot == 2)),
            Assume(~dut.b.valid | (answered != sent)),
            line.eq(dut.aw.p.addr[PARAMS.offset_bits:]),
        ]
        with m.If(dut.victims.valid & dut.victims.ready):
            m.d.sync += [came.eq(came + 1), rooms.bit_select(came, 1).eq(makes_room)]
        with m.If(dut.aw.valid):
            m.d.comb += Assert(line == sent, "address")
            with m.If(dut.aw.ready):
                m.d.sync += sent.eq(sent + 1)
        room = rooms.bit_select(answered, 1)
        done = dut.b.valid & dut.b.ready
        with m.If(done):
            m.d.sync += [answered.eq(answered + 1), wrong.bit_select(answered, 1).eq(resp[1])]
        refused = resp[1]
        m.d.comb += [
            Assert(dut.evicted == (done & room & ~refused), "room"),
            Assert(dut.evicted == dut.written.any()) if not self.lie else Assert(~dut.error),
            Assert(dut.failed.any() <= (done & room & refused), "failed"),
            Assert((dut.cleaned | dut.spoiled) <= (done & ~room), "not a command's"),
            Assert(~(dut.cleaned & refused) & ~(dut.spoiled & ~refused), "badly told"),
            Assert(~dut.idle | (came == answered), "idle"),
        ]
        # Tasks: those lines that make no room, in order, each once.
        task = dut.tasks.p
        number = task.line.as_value()[:COUNT]
        with m.If(dut.tasks.valid):
            m.d.comb += [
                Assert(task.task == Task.ACK),
                Assert((number >= told) & (number < answered), "told before the answer, or twice"),
                Assert(~rooms.bit_select(number, 1)),
                Assert(task.error == wrong.bit_select(number, 1), "told wrong"),
            ]
            with m.If(dut.tasks.ready):
                m.d.sync += told.eq(number + 1)
                for at in range(1 << COUNT):    # none between is left out
                    m.d.comb += Assert(~((at >= told) & (at < number)) | rooms[at], "lost")
        return m


class RefillSpec(wiring.Component):
    """Misses come with numbers as their lines; some wait for an old line to be written back.

    - What the way held is overwritten, and the set told of the new line, only after memory has the
      old one; if memory refused it, never, and the set is told to keep it.
    - Each miss is settled once, in order.
    - A line that came with an error is never told to be there.

    Parameters
    ----------
    lie : bool
        Claim that a refill never waits for the old line.
    """

    def __init__(self, *, lie: bool = False):
        self.lie, self.dut = lie, Refill(PARAMS)
        super().__init__({"miss": In(1), "evict": In(1), "ar_ready": In(1), "r": In(1),
                          "resp": In(Resp), "written": In(2), "failed": In(2), "ready": In(1),
                          "slot": In(1), "reached": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        came, settled = Signal(COUNT), Signal(COUNT)
        beats, due = Signal(4), Signal(4)       # that came; that were asked for
        wants, room, kept, bad = (Signal(2, name=name)      # of the two under way, by number
                                  for name in ("wants", "room", "kept", "bad"))
        taken = dut.misses.valid & dut.misses.ready
        m.d.comb += [
            dut.misses.valid.eq(self.miss), dut.misses.p.evict.eq(self.evict),
            Value.cast(dut.misses.p.line).eq(came),
            dut.ar.ready.eq(self.ar_ready),
            dut.r.valid.eq(self.r), dut.r.p.resp.eq(self.resp),
            Assume(~self.r | (beats != due)),
            dut.written.eq(self.written), dut.failed.eq(self.failed),
            dut.tasks.ready.eq(self.ready),
            dut.fill.slot.eq(1 << self.slot), dut.fill.reached.eq(self.reached),
            # Answered once, and only what waits for an answer.
            Assume((self.written | self.failed) & ~(wants & ~room & ~kept) == 0),
            Assume(self.written & self.failed == 0), Assume(came[-1] == 0),
        ]
        with m.If(taken):
            m.d.sync += [came.eq(came + 1), wants.bit_select(came[0], 1).eq(self.evict),
                         room.bit_select(came[0], 1).eq(0), kept.bit_select(came[0], 1).eq(0),
                         bad.bit_select(came[0], 1).eq(0)]
        for at in range(2):
            with m.If(self.written[at]):
                m.d.sync += room[at].eq(1)
            with m.If(self.failed[at]):
                m.d.sync += kept[at].eq(1)
        m.d.sync += due.eq(due + Mux(dut.ar.valid & dut.ar.ready, PARAMS.beats, 0))
        with m.If(self.r):
            m.d.sync += beats.eq(beats + 1)
            with m.If(self.resp.as_value()[1]):
                m.d.sync += bad.bit_select(beats[1], 1).eq(1)

        # Beats of a line go into the data array in their order, after those before them.
        stored = Signal(4)
        m.d.sync += stored.eq(stored + dut.fills.valid)
        whose = dut.fills.p.set[0] if PARAMS.set_bits else Const(0)
        with m.If(dut.fills.valid):
            m.d.comb += Assert(~wants.bit_select(whose, 1) | room.bit_select(whose, 1)
                               if not self.lie else ~wants.bit_select(whose, 1), "overwritten")
        task = dut.tasks.p
        at = settled[0]
        with m.If(dut.tasks.valid):
            m.d.comb += [
                Assert(Value.cast(task.line)[:COUNT] == settled, "out of order"),
                Assert(settled != came, "of nothing"),
                Assert(~wants.bit_select(at, 1) | room.bit_select(at, 1) | kept.bit_select(at, 1),
                       "settled before the answer"),
                Assert((task.task == Task.KEEP) == kept.bit_select(at, 1), "kept"),
                Assert((task.task != Task.FILL) | ~bad.bit_select(at, 1), "poisoned"),
            ]
            with m.If(dut.tasks.ready):
                m.d.sync += settled.eq(settled + 1)
        return m


@pytest.mark.parametrize("spec, depth", [(WriteBackSpec, 8), (RefillSpec, 10)])
def test_holds(tmp_path, spec, depth):
    prove(spec(), depth=depth, work=tmp_path, mode="bmc")


@pytest.mark.parametrize("spec", [WriteBackSpec, RefillSpec])
def test_has_teeth(tmp_path, spec):
    with pytest.raises(Refuted):
        prove(spec(lie=True), depth=8, work=tmp_path, mode="bmc")
