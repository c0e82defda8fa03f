"""The cache of guest pages, proved for any traffic of so many cycles, with two entries.

Assumed of the walker, that ``covers`` of what it found is a thermometer; and of software, that it
drops what it replaces, so that a guest page has one translation at a time.
"""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from rtl.iommu.guest_cache import GuestCache
from rtl.iommu.records import same_page, translate
from rtl.params import IommuParams
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]

#: What tells tables of second stages apart.
SPACE = ("guest_root", "guest_levels", "sxl", "gxl")
CYCLES = 7


class Spec(wiring.Component):
    """Any one guest page of any one second stage is watched, and the last fill that was about it.

    A hit gives the page and the permissions of that fill, and after a flush there is none until it
    is filled again.

    Parameters
    ----------
    params : IommuParams
        Parameters.
    lie : str
        Claim something that is not true: that nothing ever hits (``"never"``), or that nothing
        hits again after a flush (``"dead"``).
    """

    def __init__(self, params: IommuParams, lie: str = ""):
        self.params, self.lie = params, lie
        super().__init__(GuestCache(params).signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = GuestCache(self.params)
        connect(m, flipped(self.walker), dut.walker)
        m.d.comb += dut.flush.eq(self.flush)
        walker, context = dut.walker, dut.walker.context
        space = Cat(context[name] for name in SPACE)
        gpn, watched = AnyConst(len(walker.gpn)), AnyConst(len(space))

        known, leaf, flushed = Signal(), Signal(walker.new.shape()), Signal()
        covers = walker.new.page.covers
        about = walker.fill & (space == watched) & same_page(walker.gpn, gpn, covers)
        found = translate(walker.new.page, gpn)
        same = (leaf.flags.as_value() == walker.new.flags.as_value()) & (
            translate(leaf.page, gpn) == found)
        m.d.comb += [
            Assume(covers.matches(*((1 << k) - 1 for k in range(len(covers) + 1)))),
            Assume(~about | ~known | same),
        ]
        with m.If(dut.flush):
            m.d.sync += [known.eq(0), flushed.eq(1)]
        with m.Elif(about):
            m.d.sync += [known.eq(1), leaf.eq(walker.new)]
        with m.If(walker.hit & (walker.gpn == gpn) & (space == watched)):
            m.d.comb += [
                Assert(known, "hit of what was dropped, or never filled"),
                Assert(walker.leaf.page.ppn == translate(leaf.page, gpn), "another page"),
                Assert(walker.leaf.flags.as_value() == leaf.flags.as_value()),
                Assert(self.lie != "never"), Assert(~flushed | (self.lie != "dead")),
            ]
        return m


def small(**build):
    return IommuParams(phys_bits=32, guest_entries=2, walks=1, sv39x4=True, **build)


def test_holds(tmp_path):
    prove(Spec(small(sv32=True, sv32x4=True)), depth=CYCLES, work=tmp_path, mode="bmc")


@pytest.mark.parametrize("lie", ["never", "dead"])
def test_has_teeth(tmp_path, lie):
    with pytest.raises(Refuted):
        prove(Spec(small(), lie), depth=CYCLES, work=tmp_path, mode="bmc")
