"""Device contexts at hand."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .directory_walker import DEVICE_ID_BITS
from .onehot import lowest, merge
from .records import context_layout
from .replacement import TreePlru

__all__ = ["ContextCache", "ContextLookupSignature"]


class ContextLookupSignature(wiring.Signature):
    """A question for the context of ``did``, answered in the same cycle by ``hit`` and ``context``.

    Directions are those of who asks. ``used`` says that the answer is used, which makes it recent.
    """

    def __init__(self, phys_bits: int):
        super().__init__({
            "did": Out(DEVICE_ID_BITS), "used": Out(1),
            "hit": In(1), "context": In(context_layout(phys_bits))})


class ContextCache(wiring.Component):
    """Fully associative store of valid device contexts, with tree-PLRU replacement.

    Two lookups and a fill or a drop in each cycle. Fill and drop take effect with the next cycle.

    Parameters
    ----------
    entries : int
        Contexts kept, at least 1.
    phys_bits : int
        Width of physical addresses.

    Members
    -------
    lookup : ``In(ContextLookupSignature(phys_bits)).array(2)``
        Questions.
    fill : ``In(...)``
        ``valid``, ``did`` and ``context`` to keep; only for a device that is not here.
    drop : ``In(...)``
        ``valid``, ``dv`` and ``did``: drop the device's context, or with ``dv`` 0 all.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU directory cache invalidation commands".
    """

    def __init__(self, *, entries: int, phys_bits: int):
        self._entries = entries
        self._context = context_layout(phys_bits)
        super().__init__({
            "lookup": In(ContextLookupSignature(phys_bits)).array(2),
            "fill": In(wiring.Signature({
                "valid": Out(1), "did": Out(DEVICE_ID_BITS), "context": Out(self._context)})),
            "drop": In(wiring.Signature({
                "valid": Out(1), "dv": Out(1), "did": Out(DEVICE_ID_BITS)})),
        })

    def elaborate(self, platform):
        m = Module()
        plru = TreePlru(self._entries)
        valid = Signal(self._entries)
        dids = Signal(data.ArrayLayout(DEVICE_ID_BITS, self._entries))
        contexts = Signal(data.ArrayLayout(self._context, self._entries))
        age = Signal(plru.bits)

        used = []
        for n, lookup in enumerate(self.lookup):
            match = Signal(self._entries, name=f"match_{n}")
            m.d.comb += [
                match.eq(valid & Cat(did == lookup.did for did in dids)),
                lookup.hit.eq(match.any()),
                lookup.context.eq(merge(match, contexts)),
            ]
            used.append(match & lookup.used.replicate(self._entries))
        touched = plru.touch(plru.touch(age, used[0]), used[1])
        m.d.sync += age.eq(touched)

        place = Signal(self._entries)
        m.d.comb += place.eq(Mux(valid.all(), plru.victim(age), lowest(~valid)))
        with m.If(self.drop.valid):
            leaving = Cat(~self.drop.dv | (did == self.drop.did) for did in dids)
            m.d.sync += valid.eq(valid & ~leaving)
        with m.Elif(self.fill.valid):
            m.d.sync += [valid.eq(valid | place), age.eq(plru.touch(touched, place))]
            for k in range(self._entries):
                with m.If(place[k]):
                    m.d.sync += [dids[k].eq(self.fill.did), contexts[k].eq(self.fill.context)]
        return m
