"""Steps of page walks through MSI page tables."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import PAGE_BITS

from .msi_table import TO_FILE, MsiEntry, MsiIndex
from .records import PPN_BITS
from .walk_state import Step

__all__ = ["MsiPlaces", "msi_steps"]


class MsiPlaces(wiring.Component):
    """Find places in MSI page tables for one walk at a time.

    Parameters
    ----------
    params : IommuParams
        Parameters; with a second stage.

    Members
    -------
    walk : ``In(range(walks))``
        Whose turn it is; ``ask`` and ``done`` are its strobes.
    ask, gpn, mask, root : ``In(...)``
        Find the place for this guest page, as in :class:`MsiIndex`.
    ready : ``Out(1)``
        That begins in this cycle; else the walk is woken to ask again.
    base, offset : ``Out(...)``
        The place, until ``done``.
    done : ``In(1)``
        The walk has used it.
    woken : ``Out(walks)``
        The walk whose place is there, or those that may ask again.
    """

    def __init__(self, params: IommuParams):
        self._params, bits = params, params.gpn_bits
        super().__init__({
            "walk": In(range(params.walks)), "ask": In(1), "gpn": In(bits), "mask": In(bits),
            "root": In(PPN_BITS), "ready": Out(1), "base": Out(PPN_BITS), "offset": Out(PAGE_BITS),
            "done": In(1), "woken": Out(params.walks)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.index = index = MsiIndex(self._params)
        busy, owner, works = Signal(), Signal.like(self.walk), Signal()
        waiting = Signal(self._params.walks)
        m.d.comb += [self.ready.eq(~busy), self.base.eq(index.base), self.offset.eq(index.offset)]
        with m.If(self.ask & ~busy):
            m.d.comb += index.start.eq(1)
            m.d.sync += [busy.eq(1), works.eq(1), owner.eq(self.walk), index.gpn.eq(self.gpn),
                         index.mask.eq(self.mask), index.root.eq(self.root)]
        with m.Elif(self.ask):
            m.d.sync += waiting.eq(waiting | self._one(self.walk))
        with m.If(self.done):
            m.d.sync += [busy.eq(0), waiting.eq(0)]
            m.d.comb += self.woken.eq(waiting)
        with m.Elif(works & index.done):
            m.d.sync += works.eq(0)
            m.d.comb += self.woken.eq(self._one(owner))
        return m

    def _one(self, walk):
        return Cat(walk == k for k in range(self._params.walks))


def msi_steps(m: Module, walk, places: MsiPlaces, entry: MsiEntry, after: data.View,
              told: data.View, end) -> None:
    """Do the steps of a :class:`~rtl.iommu.walk_step.WalkStep` through an MSI page table.

    ``after`` is where the walk is then, ``told`` what it tells; ``end(m, cause, good)`` ends it.
    """
    reply, state, push = walk.reply, walk.state, walk.push
    beyond = places.base[len(push.request.addr) - PAGE_BITS:].any()
    with m.Case(Step.MSI):
        m.d.comb += places.ask.eq(1)
        with m.If(places.ready):
            m.d.comb += after.step.eq(Step.MSI_READ)
    with m.Case(Step.MSI_READ):
        m.d.comb += [push.request.addr.eq(Cat(places.offset, places.base)),
                     push.request.len.eq(walk.params.msi_mrif), push.request.word.eq(0)]
        with m.If(beyond):
            m.d.comb += places.done.eq(1)
            end(m, Cause.MSI_PTE_LOAD_FAULT)
        with m.Elif(walk.blocked):
            m.d.comb += walk.continues.eq(1)
        with m.Else():
            m.d.comb += [push.valid.eq(1), places.done.eq(1), after.step.eq(Step.MSI_ENTRY)]
    with m.Case(Step.MSI_ENTRY):
        m.d.comb += [
            told.page.ppn.eq(entry.ppn), told.page.pbmt.eq(state.pbmt),
            told.flags.eq(Cat(state.r, state.w, Const(0, 1), state.u, state.g)),
            told.guest_fault.number.eq(entry.number)]
        with m.If(reply.last):
            end(m, entry.cause, entry.cause == Cause.NONE)
            with m.If(entry.cause == TO_FILE):
                m.d.comb += told.guest_fault.gpn.eq(entry.gpn)
