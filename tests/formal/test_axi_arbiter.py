"""AXI4 arbiter: write data is never mixed, nothing goes to the wrong manager, nothing is withdrawn.

Checked exhaustively from reset for a number of cycles in which the order of bursts, which the
arbiter keeps in a queue (proved by itself), fills up and wraps around.
"""

import pytest
from amaranth import *
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.arbiter import Arbiter
from rtl.axi.signature import Signature
from sim.formal import Refuted, available, prove

from .test_stream import claim_stable

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]

SMALL = Signature(addr_width=1, data_width=8, id_width=1)


class Spec(wiring.Component):
    """Every manager writes its number; whoever reads the bus must find it in the right bursts.

    Without ``in_order``, it is claimed that write data and addresses are at the same burst, which
    is false.
    """

    def __init__(self, n: int, *, in_order: bool = True):
        self.n, self.in_order = n, in_order
        self.dut = Arbiter(SMALL, n, writes=2)
        super().__init__({
            "managers": In(SMALL).array(n),
            "bus": Out(self.dut.bus.signature),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        connect(m, dut.bus, flipped(self.bus))
        for k in range(self.n):
            connect(m, flipped(self.managers[k]), dut.managers[k])
            for channel in (dut.managers[k].aw, dut.managers[k].w, dut.managers[k].ar):
                claim_stable(m, channel, Assume)
            m.d.comb += Assume(dut.managers[k].w.p.data == k)
        bus = dut.bus
        for channel in (bus.aw, bus.w, bus.ar):
            claim_stable(m, channel)

        # Managers in the order in which their addresses are offered. At most one address is offered
        # whose place in the arbiter's own order is not yet settled.
        who = bus.aw.p.id[1:]
        order = [Signal.like(who, name=f"order_{k}") for k in range(4)]
        count, waiting = Signal(3), Signal()
        m.d.sync += waiting.eq(bus.aw.valid & ~bus.aw.ready)
        begins = bus.aw.valid & ~waiting
        ends = bus.w.valid & bus.w.ready & bus.w.p.last
        m.d.sync += count.eq(count + begins - ends)
        with m.If(ends):
            m.d.sync += [order[k].eq(order[k + 1]) for k in range(3)]
        with m.If(begins):
            with m.Switch(count - ends):
                for k in range(4):
                    with m.Case(k):
                        m.d.sync += order[k].eq(who)
        m.d.comb += Assert(count <= 4)
        with m.If(bus.w.valid):
            if self.in_order:
                m.d.comb += Assert((count != 0) & (bus.w.p.data == order[0]), "data is mixed")
            else:
                m.d.comb += Assert(~bus.aw.valid | (bus.w.p.data == who))

        for k, manager in enumerate(dut.managers):
            for mine, theirs in ((manager.b, bus.b), (manager.r, bus.r)):
                m.d.comb += Assert(mine.valid == (theirs.valid & (theirs.p.id[1:] == k)))
                with m.If(mine.valid):
                    m.d.comb += Assert((mine.p.id == theirs.p.id[0]) & (mine.ready == theirs.ready))
            with m.If(bus.ar.valid & (bus.ar.p.id[1:] == k)):
                m.d.comb += Assert(manager.ar.valid & (manager.ar.ready == bus.ar.ready))
        return m


@pytest.mark.parametrize("n, cycles", [(2, 10), (3, 9)])
def test_holds(tmp_path, n, cycles):
    prove(Spec(n), depth=cycles, work=tmp_path, mode="bmc")


def test_has_teeth(tmp_path):
    with pytest.raises(Refuted):
        prove(Spec(2, in_order=False), depth=6, work=tmp_path, mode="bmc")
