"""Second level of the TLB: many entries in block RAM, looked at one after the other."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams

from .geometry import drop_page
from .onehot import lowest
from .permissions import Permissions
from .records import access_layout, leaf_layout, same_page, translate
from .tlb import DropLayout
from .tlb_entry import KeyLayout, SelectLayout, to_drop

__all__ = ["ProbeLayout", "SecondTlb"]

#: Bits of the page number that the offset takes over, for each size of pages.
_SHIFTS = (0, 4, 9, 18, 27, 36)


class ProbeLayout(data.StructLayout):
    """A question: page and address space, what to do there, and by whom it is asked."""

    def __init__(self, params: IommuParams):
        super().__init__({"walker": range(params.walks), "key": KeyLayout(params),
                          "access": access_layout(), "sum": 1})


class SecondTlb(wiring.Component):
    """Direct-mapped store of translations of all sizes, filled together with the first level.

    A question takes two cycles to ``answered`` if one size of pages is in use, and one more for
    each further size. Commands that drop entries are carried out by a sweep through all of them, a
    cycle each, in which nothing is found and nothing filled; the command need not wait for that.
    If another one comes during a sweep, everything goes. After reset everything is swept, too.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``second_entries`` is the number of entries.

    Members
    -------
    probe : ``In(...)``
        ``valid`` and ``payload``, a :class:`ProbeLayout`; taken with ``ready``.
    answered, hit, walker, leaf : ``Out(...)``
        Strobe with the answer: an entry that permits the access, for which walker; the page is that
        of the question.
    fill : ``In(...)``
        ``valid``, ``key`` and ``leaf``.
    flush, drop : ``In(...)``
        As in :class:`~rtl.iommu.tlb.Tlb`.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU Page-Table cache invalidation commands".
    """

    def __init__(self, params: IommuParams):
        self._params = params
        self._entry = data.StructLayout({
            "valid": 1, "key": KeyLayout(params), "leaf": leaf_layout(params)})
        super().__init__({
            "probe": In(wiring.Signature({
                "valid": Out(1), "ready": In(1), "payload": Out(ProbeLayout(params))})),
            "answered": Out(1), "hit": Out(1), "walker": Out(range(params.walks)),
            "leaf": Out(leaf_layout(params)),
            "fill": In(wiring.Signature({
                "valid": Out(1), "key": Out(KeyLayout(params)), "leaf": Out(leaf_layout(params))})),
            "flush": In(1),
            "drop": In(wiring.Signature({"valid": Out(1), "payload": Out(DropLayout(params))})),
        })

    def elaborate(self, platform):
        m = Module()
        params, probe, fill = self._params, self.probe, self.fill
        entries = params.second_entries
        m.submodules.store = store = memory.Memory(shape=self._entry, depth=entries, init=[])
        write, read = store.write_port(), store.read_port()
        found = read.data

        # Probes: one size after the other, of those that are there.
        sizes = params.depth + 1
        present, left = Signal(sizes), Signal(sizes)
        asked, looks = Signal(ProbeLayout(params)), Signal()
        m.submodules.permissions = permissions = Permissions()
        m.d.comb += [permissions.access.eq(asked.access), permissions.sum.eq(asked.sum),
                     permissions.flags.eq(found.leaf.flags)]
        match = (found.valid & same_page(found.key.vpn, asked.key.vpn, found.key.covers) &
                 ((found.key.pscid == asked.key.pscid) | found.key.g) & ~permissions.denied &
                 (found.key.domain.as_value() == asked.key.domain.as_value()))

        # Sweeps.
        sweeps, swept, last = Signal(init=1), Signal(range(entries)), Signal()
        select, drop = Signal(SelectLayout(params)), Signal(DropLayout(params))
        everything = Signal(init=1)
        goes = everything | to_drop(
            params, found.key, select,
            page=same_page(found.key.vpn, drop_page(
                params, drop.vpn, found.key.vpn, found.key.covers), found.key.covers),
            space=found.key.pscid == drop.pscid, gscid=drop.gscid)

        m.d.sync += self.answered.eq(0)
        with m.If(sweeps):
            # The entry at the read port is that before the next to be read.
            m.d.comb += [read.addr.eq(swept), write.addr.eq(swept - 1), probe.ready.eq(1),
                         write.en.eq((last | (swept != 0)) & goes)]
            m.d.sync += [swept.eq(swept + 1), last.eq(swept == entries - 1)]
            with m.If(last):
                m.d.sync += [sweeps.eq(0), last.eq(0), swept.eq(0)]
            with m.If(probe.valid):
                m.d.sync += [self.answered.eq(1), self.hit.eq(0),
                             self.walker.eq(probe.payload.walker)]
        with m.Else():
            m.d.comb += [write.addr.eq(self._index(fill.key, self._size(fill.key.covers))),
                         write.data.valid.eq(1), write.data.key.eq(fill.key),
                         write.data.leaf.eq(fill.leaf), write.en.eq(fill.valid & ~self.flush)]
            with m.If(write.en):
                m.d.sync += present.eq(present | self._size(fill.key.covers))
            with m.If(looks):
                m.d.comb += read.addr.eq(self._index(asked.key, lowest(left)))
                m.d.sync += left.eq(left & ~lowest(left))
                with m.If(match | ~left.any()):
                    m.d.sync += [looks.eq(0), self.answered.eq(1), self.hit.eq(match),
                                 self.walker.eq(asked.walker)]
            with m.Else():
                m.d.comb += [probe.ready.eq(1),
                             read.addr.eq(self._index(probe.payload.key, lowest(present)))]
                m.d.sync += [looks.eq(probe.valid), asked.eq(probe.payload),
                             left.eq(present & ~lowest(present))]
        m.d.sync += [self.leaf.eq(found.leaf),
                     self.leaf.page.ppn.eq(translate(found.leaf.page, asked.key.vpn))]

        with m.If(self.drop.valid):
            m.d.sync += [sweeps.eq(1), swept.eq(0), last.eq(0), everything.eq(sweeps),
                         drop.eq(self.drop.payload), select.eq(self.drop.payload.select)]
            with m.If(looks | probe.valid):     # what is being read may have to go
                m.d.sync += [looks.eq(0), self.answered.eq(1), self.hit.eq(0),
                             self.walker.eq(Mux(looks, asked.walker, probe.payload.walker))]
        return m

    def _size(self, covers: Value) -> Value:
        """One-hot size of what ``covers``."""
        return Cat(~covers[0], *(covers[k] & ~covers[k + 1] for k in range(len(covers) - 1)),
                   covers[-1])

    def _index(self, key, size: Value) -> Value:
        """Where the entry for a page of this size is."""
        bits = (self._params.second_entries - 1).bit_length()
        place = Const(0, bits)
        for k, shift in enumerate(_SHIFTS[:len(size)]):
            place = place | Mux(size[k], key.vpn[shift:shift + bits], 0)
        return (place ^ key.pscid[:bits])[:bits]
