"""Translation look-aside buffer: of both stages together, if there are two."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams

from .onehot import encode, lowest
from .records import access_layout, leaf_layout, page_layout
from .replacement import TreePlru
from .tlb_entry import KeyLayout, SelectLayout, TlbEntry

__all__ = ["DropLayout", "LookupSignature", "Tlb"]


class LookupSignature(wiring.Signature):
    """A question to the TLB, answered in the same cycle. Directions are those who asks.

    Members
    -------
    valid : ``Out(1)``
        The question is meant: a hit makes the entry recent.
    key, access, sum : ``Out(...)``
        Page and address space, and what to do there.
    ready : ``In(1)``
        The other inputs are an answer.
    hit : ``In(1)``
        There is an entry, and it permits the access.
    page : ``In(page_layout(params))``
        Page of the entry; anything without a hit.
    fresh : ``In(1)``
        The entry was filled before anybody wanted it.
    claim : ``Out(1)``
        It is fresh no more.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "valid": Out(1), "key": Out(KeyLayout(params)), "access": Out(access_layout()),
            "sum": Out(1), "ready": In(1), "hit": In(1), "page": In(page_layout(params)),
            "fresh": In(int(params.prefetch)), "claim": Out(int(params.prefetch))})


class DropLayout(data.StructLayout):
    """Entries to drop: those that agree with the operands in what ``select`` names."""

    def __init__(self, params: IommuParams):
        super().__init__({
            "select": SelectLayout(params), "vpn": params.vpn_bits, "pscid": 20,
            "gscid": 16 * params.two_stage})


class Tlb(wiring.Component):
    """Fully associative store of leaf page-table entries of all sizes.

    Both lookups are answered in the same cycle, each cycle, but ``lookup[0]`` gives way to ``fill``
    and ``drop``, which use its comparators. An entry that denies the access is no hit: a walk finds
    the cause, or that the page has changed, and its fill replaces the entry. A fill drops every
    entry that it overlaps, so that at most one answers a lookup, and takes a free place, or else
    that of the tree-PLRU victim. Fill and drop take effect with the next cycle.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``tlb_entries`` is the number of entries.

    Members
    -------
    lookup : ``In(LookupSignature(params)).array(2)``
        Questions.
    fill : ``In(...)``
        ``valid``, ``key`` and ``leaf`` of an entry to keep, and whether it is ``fresh``.
    flush : ``In(1)``
        Ignore ``fill``: an invalidation is in progress. High whenever ``drop.valid`` is.
    drop : ``In(...)``
        ``valid`` and ``payload``, a :class:`DropLayout`: entries to drop.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU Page-Table cache invalidation commands",
    tables of IOTINVAL.VMA and IOTINVAL.GVMA operands; RISC-V Privileged Architecture, section
    "Sv39", on global mappings.
    """

    def __init__(self, params: IommuParams):
        self._params, self._entries = params, params.tlb_entries
        super().__init__({
            "lookup": In(LookupSignature(params)).array(2),
            "fill": In(wiring.Signature({
                "valid": Out(1), "key": Out(KeyLayout(params)), "leaf": Out(leaf_layout(params)),
                "fresh": Out(int(params.prefetch))})),
            "flush": In(1),
            "drop": In(wiring.Signature({"valid": Out(1), "payload": Out(DropLayout(params))})),
        })

    def elaborate(self, platform):
        m = Module()
        fill, drop = self.fill, self.drop

        # Keys. The comparators of the first are shared.
        key = [Signal(KeyLayout(self._params), name=f"key_{n}") for n in range(2)]
        for n, lookup in enumerate(self.lookup):
            m.d.comb += [key[n].eq(lookup.key), lookup.ready.eq(1)]
        with m.If(drop.valid):
            m.d.comb += [key[0].vpn.eq(drop.payload.vpn), key[0].pscid.eq(drop.payload.pscid),
                         key[0].domain.gscid.eq(drop.payload.gscid)]
        with m.Elif(fill.valid):
            m.d.comb += key[0].eq(fill.key)
        m.d.comb += self.lookup[0].ready.eq(~(fill.valid | drop.valid))

        valid = Signal(self._entries)
        place = Signal(self._entries)
        match = [Signal(self._entries, name=f"match_{n}") for n in range(2)]
        denied = [Signal(self._entries, name=f"denied_{n}") for n in range(2)]
        # Physical pages. Small enough for look-up tables, where reading takes no cycle.
        m.submodules.pages = pages = memory.Memory(
            shape=page_layout(self._params), depth=self._entries, init=[])
        store = pages.write_port()
        m.d.comb += [
            store.addr.eq(encode(place)), store.data.eq(fill.leaf.page),
            store.en.eq(fill.valid & ~self.flush),
        ]
        for k in range(self._entries):
            m.submodules[f"entry_{k}"] = entry = TlbEntry(self._params)
            m.d.comb += [
                valid[k].eq(entry.valid),
                entry.fill.eq(store.en), entry.write.eq(place[k]),
                entry.flags.eq(fill.leaf.flags),
                entry.drop.eq(drop.valid), entry.select.eq(drop.payload.select),
            ]
            for n, lookup in enumerate(self.lookup):
                m.d.comb += [
                    entry.key[n].eq(key[n]), entry.access[n].eq(lookup.access),
                    entry.sum[n].eq(lookup.sum),
                    match[n][k].eq(entry.match[n]), denied[n][k].eq(entry.denied[n]),
                ]

        # Answers: at most one entry matches. What was used is looked at a cycle late, to keep the
        # tree out of the critical path.
        plru = TreePlru(self._entries)
        age = Signal(plru.bits)
        used = Signal(self._entries)
        hits = []
        for n, lookup in enumerate(self.lookup):
            load = pages.read_port(domain="comb")
            m.d.comb += [
                lookup.hit.eq((match[n] & ~denied[n]).any()),
                load.addr.eq(encode(match[n])),
                lookup.page.eq(load.data),
            ]
            hits.append(Mux(lookup.valid & lookup.ready, match[n], 0))
        if self._params.prefetch:
            fresh = Signal(self._entries)
            gone = 0
            for n, lookup in enumerate(self.lookup):
                m.d.comb += lookup.fresh.eq((match[n] & fresh).any())
                gone |= Mux(lookup.claim, match[n], 0)
            m.d.sync += fresh.eq(Mux(store.en, Mux(fill.fresh, fresh | place, fresh & ~place),
                                     fresh & ~gone))
        m.d.sync += used.eq(hits[0] | hits[1] | Mux(store.en, place, 0))
        m.d.sync += age.eq(plru.touch(age, used))
        m.d.comb += place.eq(Mux(valid.all(), plru.victim(age), lowest(~valid)))
        return m
