"""Accesses that wait for walks, proved from reset on: order, and that none gets another's page.

Assumed of what surrounds it: a hit tells the page number itself as its physical page, and so does
an answer, of the page that was asked of that walker; a walk answers only if it was asked for, and
takes over only who waits for the same page. So a physical page that is not that of the access would
be one that no translation gave to it.
"""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import data, wiring
from amaranth.lib.wiring import connect, flipped

from rtl.iommu.parking import Parking
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import PAGE_BITS
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]
#: Bits of the numbers that accesses carry, and of pages.
NUMBER, PAGE = 4, 2


class Spec(wiring.Component):
    """Accesses of any one ID are numbered as they come, in their length.

    - They leave in that order, each once, and of writes all do.
    - What leaves without a cause has its own page, by a hit or by an answer.
    - What has met an invalidation is told until it has left.

    Parameters
    ----------
    params : IommuParams
        Parameters.
    in_order : bool
        Of writes.
    lie : str
        Claim something that is not true: that nothing ever leaves out of order (``"order"``), or
        that there is never an answer (``"answer"``).
    """

    def __init__(self, params: IommuParams, *, in_order: bool, lie: str = ""):
        self.params, self.in_order, self.lie = params, in_order, lie
        super().__init__(Parking(params, in_order=in_order).signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Parking(self.params, in_order=self.in_order)
        for name in ("i", "o", "ask", "answer"):
            connect(m, flipped(getattr(self, name)), getattr(dut, name))
        m.d.comb += [dut.flush.eq(self.flush), self.stale.eq(dut.stale)]
        i, o = dut.i, dut.o
        axid = AnyConst(self.params.id_width)
        came, left, met = Signal(NUMBER), Signal(NUMBER), Signal()
        page = i.p.known.access.addr[PAGE_BITS:PAGE_BITS + PAGE]

        def mine(access):
            return Const(1) if self.in_order or self.lie == "order" else access.id == axid

        enters = i.valid & i.ready & mine(i.p.known.access)
        leaves = o.valid & o.ready & mine(o.p.access)
        m.d.sync += [came.eq(came + enters), left.eq(left + leaves)]
        # An invalidation is met by the first access that is here, until that leaves.
        with m.If(self.flush & (came == left + 1) & ~leaves):
            m.d.sync += met.eq(1)
        with m.Elif(leaves):
            m.d.sync += met.eq(0)
        m.d.comb += [
            Assume(~mine(i.p.known.access) | (i.p.known.access.len == came)),
            Assume(~i.p.passes | (i.p.ppn == page) & (i.p.known.cause == Cause.NONE)),
            Assume(i.p.known.stale | ~self.flush),
        ]
        asked = Signal(self.params.walks)
        pages = Signal(data.ArrayLayout(PAGE, self.params.walks))
        request, answer, moved = dut.ask.request, dut.answer, dut.answer.moved
        takes = request.valid & request.ready
        for walker in range(self.params.walks):
            with m.If(moved.valid & (moved.source == walker)):
                m.d.sync += asked[walker].eq(0)
                m.d.comb += Assume(asked[walker] & ~(answer.valid & (answer.walker == walker)))
                for target in range(self.params.walks):
                    with m.If(moved.target == target):
                        m.d.comb += Assume(asked[target] & (pages[target] == pages[walker]) &
                                           (walker != target))
            with m.If(answer.valid & (answer.walker == walker)):
                m.d.sync += asked[walker].eq(0)
                m.d.comb += [
                    Assume(asked[walker] & (answer.reply.page.ppn == pages[walker])),
                    Assert(self.lie != "answer")]
            with m.If(takes & ~request.p.walk.ahead.any() & (dut.ask.walker == walker)):
                m.d.sync += [asked[walker].eq(1), pages[walker].eq(request.p.walk.page[:PAGE])]
                m.d.comb += Assume(~asked[walker])
        with m.If(o.valid):
            m.d.comb += [
                Assert(~mine(o.p.access) | (o.p.access.len == left), "out of order"),
                Assert((o.p.fate.cause != Cause.NONE) |
                       (o.p.fate.ppn == o.p.access.addr[PAGE_BITS:PAGE_BITS + PAGE]), "a page")]
        m.d.comb += Assert(~met | dut.stale, "forgotten")
        return m


def params(**others):
    return IommuParams(walks=2, id_width=1, phys_bits=32, tlb_entries=1, **others)


@pytest.mark.parametrize("in_order", [False, True])
def test_holds(tmp_path, in_order):
    prove(Spec(params(), in_order=in_order), depth=7, work=tmp_path, mode="bmc")


@pytest.mark.parametrize("lie", ["order", "answer"])
def test_has_teeth(tmp_path, lie):
    with pytest.raises(Refuted):
        prove(Spec(params(), in_order=False, lie=lie), depth=9, work=tmp_path, mode="bmc")
