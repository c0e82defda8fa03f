"""Fork and Route, checked exhaustively from reset for more cycles than their states need."""

import pytest
from amaranth import *
from amaranth.hdl import Assert, Assume
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.route import Route
from rtl.stream.fork import Fork
from sim.formal import Refuted, available, prove

from .test_stream import claim_stable

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]


class ForkSpec(wiring.Component):
    """Every output gets each payload exactly once, unchanged; ``ahead`` lets one be further on."""

    def __init__(self, n: int, *, ahead: int = 1):
        self.n, self.ahead = n, ahead
        super().__init__({"i": In(stream.Signature(2)), "o": Out(stream.Signature(2)).array(n)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Fork(2, self.n)
        connect(m, flipped(self.i), dut.i)
        claim_stable(m, dut.i, Assume)
        taken = Signal(6)                       # payloads that the input handed over
        m.d.sync += taken.eq(taken + (dut.i.valid & dut.i.ready))
        for k, port in enumerate(dut.o):
            connect(m, port, flipped(self.o[k]))
            claim_stable(m, port)
            got = Signal(6, name=f"got_{k}")
            m.d.sync += got.eq(got + (port.valid & port.ready))
            m.d.comb += Assert((got - taken)[:6] <= self.ahead, "lost, or given twice")
            with m.If(port.valid):
                m.d.comb += Assert((port.payload == dut.i.payload) & (got == taken))
        return m


def test_fork(tmp_path):
    prove(ForkSpec(3), depth=10, work=tmp_path / "three", mode="bmc")
    with pytest.raises(Refuted):                # teeth: outputs do not keep step
        prove(ForkSpec(2, ahead=0), depth=5, work=tmp_path / "step", mode="bmc")


class RouteSpec(wiring.Component):
    """Only one target has accesses outstanding, ``limit`` at most; nothing is withdrawn."""

    def __init__(self, n: int, limit: int, *, claimed: int | None = None):
        self.n, self.limit, self.claimed = n, limit, claimed or limit
        super().__init__({
            "i": In(stream.Signature(1)), "target": In(range(n)), "done": In(1),
            "o": Out(stream.Signature(1)).array(n)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Route(1, self.n, self.limit)
        connect(m, flipped(self.i), dut.i)
        claim_stable(m, dut.i, Assume)
        target = Signal.like(self.target)       # as it was in the cycle before
        offered = Signal()
        m.d.sync += [target.eq(self.target), offered.eq(self.i.valid & ~self.i.ready)]
        m.d.comb += [
            Assume(self.target < self.n),
            Assume(~offered | (self.target == target)),
            dut.target.eq(self.target), dut.done.eq(self.done),
        ]

        count, latest = Signal(range(self.limit + 2)), Signal.like(self.target)
        m.d.comb += Assume((count != 0) | ~self.done)
        m.d.sync += count.eq(count + dut.started - self.done)
        m.d.comb += Assert(count <= self.claimed, "too many")
        with m.If(dut.started):
            m.d.sync += latest.eq(self.target)
            m.d.comb += Assert((count == 0) | (self.target == latest), "two targets at once")
        with m.If(count != 0):
            m.d.comb += Assert(dut.current == latest)
        begun = Signal()
        m.d.sync += begun.eq((begun | dut.started) & ~(self.i.valid & self.i.ready))
        for k, port in enumerate(dut.o):
            connect(m, port, flipped(self.o[k]))
            claim_stable(m, port)
            with m.If(port.valid):              # offered if, and only if, it was counted
                m.d.comb += Assert((self.target == k) & (begun ^ dut.started))
        return m


def test_route(tmp_path):
    prove(RouteSpec(3, 2), depth=10, work=tmp_path / "three", mode="bmc")
    with pytest.raises(Refuted):                # teeth: two are let through
        prove(RouteSpec(2, 2, claimed=1), depth=5, work=tmp_path / "one", mode="bmc")
