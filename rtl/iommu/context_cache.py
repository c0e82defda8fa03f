"""Device contexts at hand."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams

from .onehot import encode, lowest
from .records import context_layout, source_layout
from .replacement import TreePlru

__all__ = ["ContextCache", "ContextLookupSignature"]


class ContextLookupSignature(wiring.Signature):
    """A question for the context of ``source``, answered in the same cycle.

    Directions are those of who asks. ``valid`` says that the question is meant: a hit makes the
    context recent. Without ``hit``, ``context`` is anything.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "source": Out(source_layout(params)), "valid": Out(1),
            "hit": In(1), "context": In(context_layout(params))})


class ContextCache(wiring.Component):
    """Fully associative store of contexts, with tree-PLRU replacement.

    A context is that of a device together with that of a process, if there is one, and it is kept
    for those sources only to whom it permits access; so there is nothing to check on a hit. Two
    lookups and a fill or a drop in each cycle. Fill and drop take effect with the next cycle.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``context_entries`` is the number of contexts kept.

    Members
    -------
    lookup : ``In(ContextLookupSignature(params)).array(2)``
        Questions.
    fill : ``In(...)``
        ``valid``, ``source`` and ``context`` to keep; only for a source that is not here.
    drop : ``In(1)``
        Drop all contexts, also if only one must go: that is legal, rare and small.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU directory cache invalidation commands".
    """

    def __init__(self, params: IommuParams):
        self._entries, self._source = params.context_entries, source_layout(params)
        self._context = context_layout(params)
        super().__init__({
            "lookup": In(ContextLookupSignature(params)).array(2),
            "fill": In(wiring.Signature({
                "valid": Out(1), "source": Out(self._source), "context": Out(self._context)})),
            "drop": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        plru = TreePlru(self._entries)
        valid = Signal(self._entries)
        sources = Signal(data.ArrayLayout(self._source, self._entries))
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
                match.eq(valid & Cat(source.as_value() == lookup.source.as_value()
                                       for source in sources)),
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
                    m.d.sync += sources[k].eq(self.fill.source)
        return m
