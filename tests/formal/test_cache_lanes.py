"""Orders of one ID leave in order, each once, through whichever lane; proved from reset on."""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from rtl.cache import lanes
from rtl.cache.lanes import Lanes
from rtl.params import CacheParams
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]



class Few(CacheParams):
    """So few orders wait that a short run meets all that can happen."""

    orders = 2


PARAMS = Few(phys_bits=32, id_width=1, size_bytes=64, ways=1, line_bytes=16, misses=1,
             overtake=True)
COUNT = 4                                   # bits of the numbers that orders carry


class Spec(wiring.Component):
    """Orders of an ID carry numbers as they come; reads that need nothing may take either lane.

    - The next to leave, from whichever lane, has the next number; so none is lost or comes twice.
    - Not two of an ID are offered at once: else it would not be said who is first.
    - Only what was ``free`` overtakes.

    Parameters
    ----------
    lie : bool
        Claim that no order ever leaves before one that came earlier, whatever their IDs.
    """

    def __init__(self, *, lie: bool = False):
        self.lie = lie
        self.dut = Lanes(PARAMS)
        super().__init__(self.dut.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        connect(m, flipped(self.i), dut.i)
        connect(m, dut.o, flipped(self.o))
        connect(m, dut.aside, flipped(self.aside))
        m.d.comb += [dut.free.eq(self.free), self.clear.eq(dut.clear), self.level.eq(dut.level)]
        axid = AnyConst(PARAMS.id_width)
        came, left = Signal(COUNT), Signal(COUNT)

        def mine(order):
            return Const(1) if self.lie else order.id == axid

        i = dut.i
        m.d.comb += [
            Assume(~mine(i.p) | (i.p.beats == came)),
            # What is free needs no refill; `last` marks it, and nothing else here.
            Assume(~self.free | ~i.p.miss), Assume(i.p.last == self.free),
        ]
        m.d.comb += [Assume(Value.cast(i.p[name]) == 0)
                     for name in ("line", "offset", "size", "slot")]
        m.d.sync += came.eq(came + (i.valid & i.ready & mine(i.p)))
        leaving = []
        for port in (dut.o, dut.aside):
            ours = port.valid & mine(port.p)
            leaving.append(ours)
            m.d.comb += Assert(~ours | (port.p.beats == left), "out of order")
        m.d.sync += left.eq(left + ((dut.o.ready & leaving[0]) | (dut.aside.ready & leaving[1])))
        m.d.comb += [
            Assert(~(leaving[0] & leaving[1]), "two at once"),
            Assert(~dut.aside.valid | dut.aside.p.last, "not free"),
            # Nothing is lost: with nobody inside, all that came has left.
            Assert(dut.o.valid | dut.aside.valid | (dut.level != 0) | (came == left), "lost"),
        ]
        return m


@pytest.fixture(autouse=True)
def one_aside(monkeypatch):
    monkeypatch.setattr(lanes, "OVERTAKING", 1)


def test_holds(tmp_path):
    prove(Spec(), depth=8, work=tmp_path, mode="bmc")


def test_has_teeth(tmp_path):
    with pytest.raises(Refuted):
        prove(Spec(lie=True), depth=8, work=tmp_path, mode="bmc")
