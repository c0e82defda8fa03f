"""The TLB, proved for any traffic and any length of time, in small builds.

Assumed of what surrounds it: ``flush`` is high with ``drop.valid``; ``covers`` of a fill is a
thermometer and the same in its key and its leaf, and so is ``g``; a lookup's key is for one page of
one address space. So it is in the IOMMU, by how the walker and the stages before make them.
"""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import data, wiring
from amaranth.lib.wiring import connect, flipped

from rtl.iommu.records import same_page
from rtl.iommu.tlb import Tlb
from rtl.iommu.tlb_entry import KeyLayout
from rtl.params import IommuParams
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]


def meets(left, right):
    """Whether two keys have a page of an address space in common."""
    return (same_page(left.vpn, right.vpn, left.covers | right.covers) &
            (left.domain.as_value() == right.domain.as_value()) &
            ((left.pscid == right.pscid) | left.g | right.g))


def names(params, operands, last, lie=""):
    """Whether a command is about what was filled last, by the tables of the specification."""
    select = operands.select
    page = ~select.av | same_page(last.vpn, operands.vpn, last.covers)
    private = ~last.g | (lie == "global")
    space = ~select.pscv | (operands.pscid == last.pscid) & private
    if not params.two_stage:
        return page & space
    guest, machine = last.domain.guest, last.domain.gscid == operands.gscid
    second = select.gvma & guest & (machine | ~select.gv)
    first = ~select.gvma & (select.gv == guest) & (machine | ~guest) & page & space
    return second | first


def permits(flags, access, permit):
    """Permission, as the privileged architecture has it; ``permit`` is SUM."""
    kind = access.kind.as_value()
    user = Mux(access.privileged, ~flags.u | permit & (kind != 2), flags.u)
    return Array([flags.r, flags.w, flags.x, 0])[kind] & user


class Spec(wiring.Component):
    """Any one page of any one address space is watched, and the last fill that was about it.

    - At most one entry is for it; more than that, no two entries have anything in common.
    - A hit gives the page of that fill, and only if the flags of that fill permit the access.
    - After a drop that names what that fill was about, there is no hit until it is filled again.

    Parameters
    ----------
    params : IommuParams
        Parameters.
    lie : str
        Claim something that is not true, to see that the proof notices: that nothing ever hits
        (``"never"``), or that a drop of one space takes global entries with it (``"global"``).
    """

    def __init__(self, params: IommuParams, lie: str = ""):
        self.params, self.lie = params, lie
        super().__init__(Tlb(params).signature)

    def elaborate(self, platform):
        m = Module()
        params, key = self.params, KeyLayout(self.params)
        dut = Tlb(params)
        m.submodules.dut = inside = dut.elaborate(platform)
        for mine, inner in zip((*self.lookup, self.fill, self.drop),
                               (*dut.lookup, dut.fill, dut.drop), strict=True):
            connect(m, flipped(mine), inner)
        m.d.comb += dut.flush.eq(self.flush)
        fill, drop = dut.fill, dut.drop
        watched = data.View(key, AnyConst(key.size))

        sizes = [(1 << k) - 1 for k in range(params.depth + 1)]
        m.d.comb += [
            Assume(~drop.valid | dut.flush),
            Assume(fill.key.covers.matches(*sizes)),
            Assume(fill.key.covers == fill.leaf.page.covers),
            Assume(fill.key.g == fill.leaf.flags.g),
            *(Assume((one.covers == 0) & ~one.g)
              for one in (watched, dut.lookup[0].key, dut.lookup[1].key)),
        ]

        # The last fill of the watched page, unless a drop has named it since.
        known, last, leaf = Signal(), Signal(key), Signal(fill.leaf.shape())
        with m.If(drop.valid):
            with m.If(names(params, drop.payload, last, self.lie)):
                m.d.sync += known.eq(0)
        with m.Elif(fill.valid & ~dut.flush & meets(fill.key, watched)):
            m.d.sync += [known.eq(1), last.eq(fill.key), leaf.eq(fill.leaf)]

        entries = [getattr(inside.submodules, f"entry_{k}") for k in range(params.tlb_entries)]
        for k, entry in enumerate(entries):
            page = inside.submodules.pages.read_port(domain="comb")
            m.d.comb += page.addr.eq(k)
            with m.If(entry.valid):
                m.d.comb += [
                    Assert(entry.tag.covers.matches(*sizes)),
                    *(Assert(~(other.valid & meets(entry.tag, other.tag)))
                      for other in entries[:k]),
                ]
            with m.If(entry.valid & meets(entry.tag, watched)):
                m.d.comb += [
                    Assert(known), Assert(entry.tag.as_value() == last.as_value()),
                    Assert(entry.held.as_value() == leaf.flags.as_value()),
                    Assert(page.data.as_value() == leaf.page.as_value()),
                ]
        for lookup in dut.lookup:
            mine = lookup.ready & (lookup.key.as_value() == watched.as_value())
            with m.If(mine & lookup.hit):
                m.d.comb += [
                    Assert(known, "hit of what was dropped, or never filled"),
                    Assert(lookup.page.as_value() == leaf.page.as_value(), "another page"),
                    Assert(permits(leaf.flags, lookup.access, lookup.sum), "not permitted"),
                    Assert(self.lie != "never"),
                ]
        return m


BUILDS = [{"tlb_entries": 1}, {"tlb_entries": 3, "phys_bits": 32},
          {"tlb_entries": 2, "sv39x4": True, "msi_flat": True, "pd8": True, "svpbmt": True}]


@pytest.mark.parametrize("build", BUILDS)
def test_holds(tmp_path, build):
    """By induction over one cycle."""
    prove(Spec(IommuParams(**build)), depth=2, work=tmp_path)


@pytest.mark.parametrize("lie", ["never", "global"])
def test_has_teeth(tmp_path, lie):
    with pytest.raises(Refuted):
        prove(Spec(IommuParams(tlb_entries=2), lie), depth=5, work=tmp_path, mode="bmc")
