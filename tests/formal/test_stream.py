"""Buffer and Arbiter, proved for any traffic and any length of time."""

import pytest
from amaranth import *
from amaranth.hdl import Assert, Assume
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.stream.arbiter import Arbiter
from rtl.stream.buffer import Buffer
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]


def claim_stable(m, port, kind=Assert):
    """What ``port`` offers is neither withdrawn nor changed."""
    held, before = Signal(), Signal.like(port.payload)
    m.d.sync += [held.eq(port.valid & ~port.ready), before.eq(port.payload)]
    with m.If(held):
        m.d.comb += kind(port.valid & (port.payload == before))


class BufferSpec(wiring.Component):
    """The buffer is a queue of two. With ``patience``, ``o`` is ready at least that often."""

    i: In(stream.Signature(2))
    o: Out(stream.Signature(2))

    def __init__(self, *, capacity: int = 2, patience: int | None = None):
        super().__init__()
        self.capacity, self.patience = capacity, patience

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Buffer(2)
        connect(m, flipped(self.i), dut.i)
        connect(m, dut.o, flipped(self.o))
        push, pop = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
        claim_stable(m, dut.o)

        stored, count = [Signal(2, name=f"stored_{k}") for k in range(3)], Signal(2)
        m.d.sync += count.eq(count + push - pop)
        with m.If(pop):
            m.d.sync += [stored[0].eq(stored[1]), stored[1].eq(stored[2])]
        with m.If(push):
            with m.Switch(count - pop):
                for k in range(3):
                    with m.Case(k):
                        m.d.sync += stored[k].eq(dut.i.payload)
        m.d.comb += [
            Assert(count <= self.capacity),
            Assert(dut.i.ready == (count < 2)),
            Assert(dut.o.valid == (count != 0)),
        ]
        with m.If(count != 0):
            m.d.comb += Assert(dut.o.payload == stored[0], "came out changed, or out of order")

        if self.patience is not None:
            waited = Signal(range(self.patience + 1))
            m.d.sync += waited.eq(Mux(dut.o.ready, 0, waited + 1))
            m.d.comb += Assume(dut.o.ready | (waited < self.patience))
        return m


def test_buffer(tmp_path):
    """The second place cannot be seen from outside: an induction needs that it shows up in time.

    Without patience all states that can be reached at all are reached within the bound.
    """
    prove(BufferSpec(patience=3), depth=6, work=tmp_path / "patient")
    prove(BufferSpec(), depth=10, work=tmp_path / "any", mode="bmc")


def test_buffer_has_teeth(tmp_path):
    """It is not true that one place is enough."""
    with pytest.raises(Refuted):
        prove(BufferSpec(capacity=1), depth=5, work=tmp_path, mode="bmc")


class ArbiterSpec(wiring.Component):
    """One input is passed on as it is, and none is passed over more than ``patience`` times."""

    def __init__(self, n: int, patience: int):
        self.n, self.patience = n, patience
        super().__init__({"i": In(stream.Signature(2)).array(n), "o": Out(stream.Signature(2))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Arbiter(2, self.n)
        connect(m, dut.o, flipped(self.o))
        for k in range(self.n):
            connect(m, flipped(self.i[k]), dut.i[k])
            claim_stable(m, dut.i[k], Assume)
        claim_stable(m, dut.o)

        m.d.comb += [
            Assert(dut.grant < self.n),
            Assert(dut.o.valid == Cat(port.valid for port in dut.i).any()),
        ]
        latest = Signal(range(self.n))              # input that was shown last
        m.d.comb += Assert(latest < self.n)
        with m.If(dut.o.valid):
            m.d.sync += latest.eq(dut.grant)
        held = Signal()
        m.d.sync += held.eq(dut.o.valid & ~dut.o.ready)
        with m.If(held):
            m.d.comb += Assert(dut.grant == latest)

        for k, port in enumerate(dut.i):
            granted = dut.grant == k
            with m.If(granted & dut.o.valid):
                m.d.comb += Assert(port.valid & (port.ready == dut.o.ready))
                m.d.comb += Assert(dut.o.payload == port.payload)
            with m.Elif(dut.o.valid):
                m.d.comb += Assert(~(port.valid & port.ready))

            passed_over = Signal(range(self.n + 1), name=f"passed_over_{k}")
            with m.If(~port.valid | port.ready):
                m.d.sync += passed_over.eq(0)
            with m.Elif(dut.o.valid & dut.o.ready):
                m.d.sync += passed_over.eq(passed_over + 1)
            m.d.comb += Assert(passed_over <= self.patience, "passed over too often")
            # Why that holds: every turn brings the search nearer to k. `turns` are left until it is
            # the turn of k, one less if the one at hand is not over.
            turns = Mux(latest < k, k - latest, k - latest + self.n)[:4]
            with m.If((passed_over != 0) & (latest == k)):
                m.d.comb += Assert(held)
            with m.Elif(passed_over != 0):
                m.d.comb += Assert(passed_over + turns + held <= self.n)
        return m


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_arbiter(tmp_path, n):
    prove(ArbiterSpec(n, n - 1), depth=3, work=tmp_path)


def test_arbiter_has_teeth(tmp_path):
    """It is not true that an input is never passed over twice among four."""
    with pytest.raises(Refuted):
        prove(ArbiterSpec(4, 2), depth=6, work=tmp_path, mode="bmc")
