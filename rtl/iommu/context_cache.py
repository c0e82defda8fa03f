"""Device contexts at hand."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .directory_walker import DEVICE_ID_BITS
from .onehot import encode, lowest
from .records import context_layout
from .replacement import TreePlru

__all__ = ["ContextCache", "ContextLookupSignature"]


class ContextLookupSignature(wiring.Signature):
    """A question for the context of ``did``, answered in the same cycle.

    Directions are those of who asks. ``valid`` says that the question is meant: a hit makes the
    context recent. Without ``hit``, ``context`` is anything.
    """

    def __init__(self, phys_bits: int):
        super().__init__({
            "did": Out(DEVICE_ID_BITS), "valid": Out(1),
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
    drop : ``In(1)``
        Drop all contexts, also if only one must go: that is legal, rare and small.

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
            "drop": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        plru = TreePlru(self._entries)
        valid = Signal(self._entries)
        dids = Signal(data.ArrayLayout(DEVICE_ID_BITS, self._entries))
        age = Signal(plru.bits)
        # Small enough for look-up tables, where reading takes no cycle.
        m.submodules.contexts = contexts = memory.Memory(
            shape=self._context, depth=self._entries, init=[])
        store = contexts.write_port()

        # What was used is looked at a cycle late, to keep the tree out of the critical path.
        used, hits = Signal(self._entries), []
        for n, lookup in enumerate(self.lookup):
            match = Signal(self._entries, name=f"match_{n}")
            load = contexts.read_port(domain="comb")
            m.d.comb += [
                match.eq(valid & Cat(did == lookup.did for did in dids)),
                lookup.hit.eq(match.any()),
                load.addr.eq(encode(match)),
                lookup.context.eq(load.data),
            ]
            hits.append(Mux(lookup.valid, match, 0))

        place = Signal(self._entries)
        m.d.comb += [
            place.eq(Mux(valid.all(), plru.victim(age), lowest(~valid))),
            store.addr.eq(encode(place)), store.data.eq(self.fill.context),
            store.en.eq(self.fill.valid & ~self.drop),
        ]
        m.d.sync += used.eq(hits[0] | hits[1] | Mux(store.en, place, 0))
        m.d.sync += age.eq(plru.touch(age, used))
        with m.If(self.drop):
            m.d.sync += valid.eq(0)
        with m.Elif(self.fill.valid):
            m.d.sync += valid.eq(valid | place)
            for k in range(self._entries):
                with m.If(place[k]):
                    m.d.sync += dids[k].eq(self.fill.did)
        return m
