"""The second level of the TLB, proved for any traffic of so many cycles, with two entries.

Assumed of what surrounds it: what the first level assumes (see ``test_tlb.py``); and of software,
that it drops what it replaces, so that a page has one translation at a time. To be quick, only two
bits of page numbers vary in each of the ranges that sizes tell apart, and two of identifiers.
"""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import data, wiring
from amaranth.lib.wiring import connect, flipped

from rtl.iommu.records import translate
from rtl.iommu.second_tlb import SecondTlb
from rtl.iommu.tlb_entry import KeyLayout
from rtl.params import IommuParams
from sim.formal import Refuted, available, prove
from tests.formal.test_tlb import meets, names, permits

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]


#: Bits of page numbers that vary.
_VARIES = sum(0b11 << low for low in (0, 4, 9, 18))


class Spec(wiring.Component):
    """Any one page of any one address space is watched, and the last fill that was about it.

    - A hit gives the page of that fill, and only if the flags of that fill permit the access.
    - After a drop that names what that fill was about, there is no hit until it is filled again.

    Parameters
    ----------
    params : IommuParams
        Parameters.
    lie : str
        Claim something that is not true: that nothing ever hits (``"never"``), that nothing hits
        again after something was dropped (``"dead"``), or that a drop of one space takes global
        entries with it (``"global"``).
    """

    def __init__(self, params: IommuParams, lie: str = ""):
        self.params, self.lie = params, lie
        super().__init__(SecondTlb(params).signature)

    def elaborate(self, platform):
        m = Module()
        params, key = self.params, KeyLayout(self.params)
        m.submodules.dut = dut = SecondTlb(params)
        for name in ("probe", "fill", "drop"):
            connect(m, flipped(getattr(self, name)), getattr(dut, name))
        m.d.comb += dut.flush.eq(self.flush)
        fill, drop, probe = dut.fill, dut.drop, dut.probe
        watched = data.View(key, AnyConst(key.size))

        # The last fill of the watched page, unless a drop has named it since.
        known, last, leaf = Signal(), Signal(key), Signal(fill.leaf.shape())
        dropped, about = Signal(), Signal()
        m.d.comb += about.eq(fill.valid & ~dut.flush & meets(fill.key, watched))
        with m.If(drop.valid):
            m.d.sync += dropped.eq(1)
            with m.If(names(params, drop.payload, last, self.lie)):
                m.d.sync += known.eq(0)
        with m.Elif(about):
            m.d.sync += [known.eq(1), last.eq(fill.key), leaf.eq(fill.leaf)]
        sizes = [(1 << k) - 1 for k in range(params.depth + 1)]
        same = (last.as_value() == fill.key.as_value()) & (
            leaf.as_value() == fill.leaf.as_value())
        m.d.comb += [
            Assume(~drop.valid | dut.flush), Assume(~about | ~known | same),
            *(Assume(~(one.vpn & ~_VARIES).any() & ~one.pscid[2:].any())
              for one in (fill.key, drop.payload, probe.payload.key)),
            Assume(~(fill.leaf.page.ppn & ~_VARIES).any()),
            Assume(fill.key.covers.matches(*sizes)),
            Assume(fill.key.covers == fill.leaf.page.covers),
            Assume(fill.key.g == fill.leaf.flags.g),
            *(Assume((one.covers == 0) & ~one.g) for one in (watched, probe.payload.key)),
        ]

        # The question that is being answered.
        asked, mine = Signal(probe.payload.shape()), Signal()
        with m.If(probe.valid & probe.ready):
            m.d.sync += [asked.eq(probe.payload),
                         mine.eq(probe.payload.key.as_value() == watched.as_value())]
        with m.If(dut.answered & dut.hit & mine):
            m.d.comb += [
                Assert(known, "hit of what was dropped, or never filled"),
                Assert(dut.walker == asked.walker),
                Assert(dut.leaf.page.ppn == translate(leaf.page, watched.vpn), "another page"),
                Assert(dut.leaf.flags.as_value() == leaf.flags.as_value()),
                Assert(permits(leaf.flags, asked.access, asked.sum), "not permitted"),
                Assert(self.lie != "never"), Assert(~dropped | (self.lie != "dead")),
            ]
        return m


def small(**build):
    """Parameters of fewer entries than there may be."""
    params = IommuParams(second_entries=512, phys_bits=32, walks=2, **build)
    object.__setattr__(params, "second_entries", 2)
    return params


#: Cycles: the sweep after reset, a fill, a question, a drop with its sweep, and another question.
CYCLES = 11


@pytest.mark.parametrize("build", [{}, {"sv39x4": True, "prefetch": False}, {"sv32": True}])
def test_holds(tmp_path, build):
    prove(Spec(small(**build)), depth=CYCLES, work=tmp_path, mode="bmc")


@pytest.mark.parametrize("lie", ["never", "dead", "global"])
def test_has_teeth(tmp_path, lie):
    with pytest.raises(Refuted):
        prove(Spec(small(), lie), depth=CYCLES, work=tmp_path, mode="bmc")
