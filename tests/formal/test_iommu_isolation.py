"""Isolation, proved for the part of the IOMMU behind translation, whatever translation answers.

An access leaves the translated port only if a translation permitted it, once, and to the page that
the translation gave; all else of it is what the device asked for. Data of a write goes to memory
only for a burst that passed. Assumed: the translation itself (page walker and TLB, proved and
tested elsewhere); that of the accesses taken no other has all the attributes of the one that is
watched, which tells it apart; and that a burst stays within 4 KiB, as AXI4 demands. Bounded: for
the first cycles after reset, in a small build.
"""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, connect, flipped

from rtl.axi.signature import Resp
from rtl.iommu.bridge import ReadBridge, WriteBridge
from rtl.iommu.issue_stage import IssueStage
from rtl.iommu.parking import Parking
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]

PARAMS = IommuParams(walks=2, phys_bits=32, id_width=1, svpbmt=True)
#: What leaves as it came.
KEPT = ("id", "len", "size", "burst", "lock", "prot", "qos")


def attributes(access):
    """All of an access that leaves as it came."""
    return Cat(*(access[name] for name in KEPT), access.addr[:12])


class Addresses(wiring.Component):
    """Accesses through parking and issue: one of them is watched, any one.

    Parameters
    ----------
    in_order : bool
        As of :class:`Parking`.
    lie : bool
        Claim that an access that had to wait never passes, to see that the proof notices.
    """

    def __init__(self, *, in_order: bool, lie: bool = False):
        self.parking, self.issue = Parking(PARAMS, in_order=in_order), IssueStage(PARAMS)
        self.lie = lie
        parking, issue = self.parking.signature.members, self.issue.signature.members
        super().__init__({
            **{name: parking[name] for name in ("i", "ask", "answer", "flush")},
            **{name: issue[name] for name in ("o", "room", "passed", "refused", "fault")},
            "this": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.parking, m.submodules.issue = parking, issue = self.parking, self.issue
        for name in ("i", "answer"):
            connect(m, flipped(getattr(self, name)), getattr(parking, name))
        connect(m, parking.ask, flipped(self.ask))
        connect(m, parking.o, issue.i)
        for name in ("o", "passed", "refused", "fault"):
            connect(m, getattr(issue, name), flipped(getattr(self, name)))
        m.d.comb += [parking.flush.eq(self.flush), issue.room.eq(self.room)]

        i, ask, answer = parking.i, parking.ask, parking.answer
        access, taken = i.p.known.access, i.valid & i.ready
        watched = data.View(access.shape(), AnyConst(access.shape().size))
        seen, known, gone = Signal(), Signal(), Signal()
        waits, walker = Signal(), Signal.like(answer.walker)
        allowed, page = Signal(), Signal.like(i.p.ppn)
        m.d.comb += [
            Assume(~self.this | ~seen & taken & (access.as_value() == watched.as_value())),
            Assume(self.this | ~taken | (attributes(access) != attributes(watched))),
            Assume(~answer.valid | (answer.walker < PARAMS.walks)),
        ]
        # What translation says, from the cycle on in which it says so.
        told, may, where = Signal(), Signal.like(allowed), Signal.like(page)
        m.d.comb += [told.eq(known), may.eq(allowed), where.eq(page)]
        m.d.sync += [known.eq(told), allowed.eq(may), page.eq(where), seen.eq(seen | self.this)]
        moved = answer.moved
        current = Mux(moved.valid & (moved.source == walker), moved.target, walker)
        m.d.sync += walker.eq(current)
        with m.If(self.this):
            with m.If(i.p.passes | (i.p.known.cause != Cause.NONE)):
                m.d.comb += [told.eq(1), where.eq(i.p.ppn), may.eq(i.p.known.cause == Cause.NONE)]
            with m.Else():
                m.d.sync += [waits.eq(1), walker.eq(ask.walker)]
        with m.Elif(waits & ~known & answer.valid & (answer.walker == current)):
            m.d.comb += [told.eq(1), where.eq(answer.reply.page.ppn),
                         may.eq(answer.reply.cause == Cause.NONE)]

        o, mine = issue.o, Signal()
        m.d.comb += mine.eq(o.valid & (attributes(o.p) == attributes(watched)))
        with m.If(mine):
            m.d.comb += [
                Assert(told & may, "not permitted"), Assert(o.p.addr[12:] == where, "where"),
                Assert(~gone, "twice"), Assert(~(waits & self.lie)),
            ]
            with m.If(o.ready):
                m.d.sync += gone.eq(1)
        return m


class WriteData(wiring.Component):
    """Data of bursts, in the order of their addresses: one burst is watched, any one."""

    def __init__(self, *, lie: bool = False):
        self.dut, self.lie = WriteBridge(data_width=64, id_width=1, in_flight=2), lie
        super().__init__(self.dut.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        for name in ("device_w", "memory_b", "passed", "refused"):
            connect(m, flipped(getattr(self, name)), getattr(dut, name))
        for name in ("memory_w", "device_b"):
            connect(m, getattr(dut, name), flipped(getattr(self, name)))
        m.d.comb += [dut.mark.eq(self.mark), self.room.eq(dut.room), self.marked.eq(dut.marked)]

        index, decided, sent = AnyConst(3), Signal(3), Signal(3)
        refusing, known, passes = Signal(), Signal(), Signal()
        begins = dut.refused.valid & ~refusing
        m.d.comb += [
            # As the stage before does: one at a time, and a refusal stays until it is delivered.
            Assume(~dut.passed.valid | dut.room & ~dut.refused.valid),
            Assume(~refusing | dut.refused.valid), Assume((decided != 7) & (sent != 7)),
        ]
        m.d.sync += refusing.eq(dut.refused.valid & ~dut.refused.ready)
        with m.If(dut.passed.valid | begins):
            m.d.sync += decided.eq(decided + 1)
            with m.If(decided == index):
                m.d.sync += [known.eq(1), passes.eq(dut.passed.valid)]
        w = dut.device_w
        with m.If(w.valid & w.ready & w.p.last):
            m.d.sync += sent.eq(sent + 1)
        with m.If(dut.memory_w.valid & (sent == index)):
            m.d.comb += [Assert(known & passes, "data of what did not pass"),
                         Assert(w.valid & (w.p.as_value() == dut.memory_w.p.as_value())),
                         Assert(Const(not self.lie))]
        with m.If(w.valid & w.ready & (sent == index)):
            m.d.comb += Assert(known, "data taken before it is known what for")
        with m.If(dut.device_b.valid & ~dut.memory_b.valid):
            m.d.comb += Assert((dut.device_b.p.resp == Resp.SLVERR) & dut.refused.valid)
        return m


class ReadData(wiring.Component):
    """Data of reads is that of memory, and a refused read brings none."""

    def __init__(self):
        self.dut = ReadBridge(data_width=64, id_width=1, in_flight=2)
        super().__init__(self.dut.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        for name in ("memory", "passed", "refused"):
            connect(m, flipped(getattr(self, name)), getattr(dut, name))
        connect(m, dut.device, flipped(self.device))
        m.d.comb += [dut.mark.eq(self.mark), self.room.eq(dut.room), self.marked.eq(dut.marked)]
        out, memory = dut.device, dut.memory
        with m.If(out.valid & (out.p.as_value() != Mux(
                memory.valid, memory.p.as_value(), ~out.p.as_value()))):
            m.d.comb += Assert(dut.refused.valid & (out.p.resp == Resp.SLVERR) &
                               ~out.p.data.any() & (out.p.id == dut.refused.p.id))
        m.d.comb += Assert(~(memory.valid & memory.ready) | out.valid & out.ready &
                           (out.p.as_value() == memory.p.as_value()))
        return m


@pytest.mark.parametrize("in_order", [False, True])
def test_an_access_leaves_only_as_permitted(tmp_path, in_order):
    prove(Addresses(in_order=in_order), depth=5 if in_order else 6, work=tmp_path, mode="bmc")


def test_data_goes_only_where_its_address_went(tmp_path):
    prove(WriteData(), depth=8, work=tmp_path, mode="bmc")


def test_a_refused_read_brings_nothing(tmp_path):
    prove(ReadData(), depth=2, work=tmp_path)


@pytest.mark.parametrize("spec", [
    lambda: Addresses(in_order=False, lie=True), lambda: WriteData(lie=True)],
                         ids=["addresses", "data"])
def test_has_teeth(tmp_path, spec):
    with pytest.raises(Refuted):
        prove(spec(), depth=6, work=tmp_path, mode="bmc")
