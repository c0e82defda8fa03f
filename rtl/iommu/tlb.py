"""Translation look-aside buffer of the first stage."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .onehot import lowest, merge
from .records import VPN_WIDTH, leaf_layout, same_page
from .replacement import TreePlru

__all__ = ["DropLayout", "LookupSignature", "Tlb"]


class LookupSignature(wiring.Signature):
    """A question to the TLB, answered in the same cycle. Directions are those who asks.

    Members
    -------
    vpn, pscid : ``Out(...)``
        Virtual page number and address space.
    used : ``Out(1)``
        The hit is used in this cycle, which makes it recent.
    ready : ``In(1)``
        ``hit`` and ``leaf`` are an answer.
    hit : ``In(1)``
        There is an entry.
    leaf : ``In(leaf_layout(phys_bits))``
        The entry; zero without one.
    """

    def __init__(self, phys_bits: int):
        super().__init__({
            "vpn": Out(VPN_WIDTH), "pscid": Out(20), "used": Out(1),
            "ready": In(1), "hit": In(1), "leaf": In(leaf_layout(phys_bits))})


class DropLayout(data.StructLayout):
    """Entries to drop: those of page ``vpn`` if ``av``, and of space ``pscid`` if ``pscv``.

    Global entries stay if ``pscv``.
    """

    def __init__(self):
        super().__init__({"av": 1, "vpn": VPN_WIDTH, "pscv": 1, "pscid": 20})


class _Key(data.StructLayout):
    def __init__(self):
        super().__init__({"vpn": VPN_WIDTH, "covers": 3, "pscid": 20, "g": 1})


class _Entry(wiring.Component):
    """One entry and its comparators, one for each of two keys."""

    def __init__(self, phys_bits: int):
        self._phys_bits = phys_bits
        super().__init__({
            "key":   In(_Key()).array(2),
            "page":  Out(1).array(2),
            "space": Out(1).array(2),
            "write": In(1),             # takes `key[0]` and `new`
            "new":   In(leaf_layout(phys_bits)),
            "leaf":  Out(leaf_layout(phys_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        vpn, pscid = Signal(VPN_WIDTH), Signal(20)
        for key, page, space in zip(self.key, self.page, self.space, strict=True):
            m.d.comb += [
                page.eq(same_page(vpn, key.vpn, self.leaf.covers | key.covers)),
                space.eq(pscid == key.pscid),
            ]
        with m.If(self.write):
            m.d.sync += [vpn.eq(self.key[0].vpn), pscid.eq(self.key[0].pscid),
                         self.leaf.eq(self.new)]
        return m


class Tlb(wiring.Component):
    """Fully associative store of leaf page-table entries of all sizes.

    Both lookups are answered in the same cycle, each cycle, but ``lookup[0]`` gives way to ``fill``
    and ``drop``, which use its comparators. A fill drops every entry that it overlaps, so that at
    most one entry answers a lookup, and takes a free place, or else that of the tree-PLRU victim. Fill and drop take effect with the next cycle.

    Parameters
    ----------
    entries : int
        Entries, at least 1.
    phys_bits : int
        Width of physical addresses.

    Members
    -------
    lookup : ``In(LookupSignature(phys_bits)).array(2)``
        Questions.
    fill : ``In(...)``
        ``valid``, ``vpn``, ``pscid`` and ``leaf`` of an entry to keep. Ignored in a cycle with
        ``drop.valid``.
    drop : ``In(...)``
        ``valid`` and ``payload``, a :class:`DropLayout`: entries to drop.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU Page-Table cache invalidation commands",
    table of IOTINVAL.VMA operands; RISC-V Privileged Architecture, section "Sv39", on global
    mappings.
    """

    def __init__(self, *, entries: int, phys_bits: int):
        self._entries = entries
        self._leaf = leaf_layout(phys_bits)
        self._phys_bits = phys_bits
        super().__init__({
            "lookup": In(LookupSignature(phys_bits)).array(2),
            "fill": In(wiring.Signature({
                "valid": Out(1), "vpn": Out(VPN_WIDTH), "pscid": Out(20),
                "leaf": Out(self._leaf)})),
            "drop": In(wiring.Signature({"valid": Out(1), "payload": Out(DropLayout())})),
        })

    def elaborate(self, platform):
        m = Module()
        fill, drop = self.fill, self.drop
        plru = TreePlru(self._entries)

        valid = Signal(self._entries)
        age = Signal(plru.bits)
        key = [Signal(_Key(), name=f"key_{n}") for n in range(2)]
        page = [Signal(self._entries, name=f"page_{n}") for n in range(2)]
        space = [Signal(self._entries, name=f"space_{n}") for n in range(2)]
        write = Signal(self._entries)
        leaves = Signal(data.ArrayLayout(self._leaf, self._entries))
        for k in range(self._entries):
            m.submodules[f"entry_{k}"] = entry = _Entry(self._phys_bits)
            m.d.comb += [entry.write.eq(write[k]), entry.new.eq(fill.leaf), leaves[k].eq(entry.leaf)]
            for n in range(2):
                m.d.comb += [entry.key[n].eq(key[n]), page[n][k].eq(entry.page[n]),
                             space[n][k].eq(entry.space[n])]
        spread = Cat(leaf.g for leaf in leaves)     # entries of every address space

        # Keys. The comparators of the first are shared.
        for n, lookup in enumerate(self.lookup):
            m.d.comb += [key[n].vpn.eq(lookup.vpn), key[n].pscid.eq(lookup.pscid),
                         lookup.ready.eq(1)]
        with m.If(fill.valid):
            m.d.comb += key[0].eq(Cat(fill.vpn, fill.leaf.covers, fill.pscid, fill.leaf.g))
        with m.If(drop.valid):
            m.d.comb += key[0].eq(Cat(drop.payload.vpn, Const(0, 3), drop.payload.pscid))
        m.d.comb += self.lookup[0].ready.eq(~(fill.valid | drop.valid))

        # Answers: at most one entry matches, so the entries are simply merged.
        used = [Signal(self._entries, name=f"used_{n}") for n in range(2)]
        for n, lookup in enumerate(self.lookup):
            match = Signal(self._entries, name=f"match_{n}")
            m.d.comb += [
                match.eq(valid & page[n] & (space[n] | spread)),
                lookup.hit.eq(match.any()),
                lookup.leaf.eq(merge(match, leaves)),
            ]
            # A cycle late, to keep the tree out of the critical path.
            m.d.sync += used[n].eq(Mux(lookup.used & lookup.ready, match, 0))

        overlap = Signal(self._entries)
        leaving = Signal(self._entries)
        place = Signal(self._entries)
        m.d.comb += [
            overlap.eq(page[0] & (space[0] | spread | fill.leaf.g.replicate(self._entries))),
            place.eq(Mux(valid.all(), plru.victim(age), lowest(~valid))),
            leaving.eq((page[0] | ~drop.payload.av.replicate(self._entries)) &
                       (space[0] & ~spread | ~drop.payload.pscv.replicate(self._entries))),
        ]
        touched = plru.touch(plru.touch(age, used[0]), used[1])
        m.d.sync += age.eq(touched)
        with m.If(drop.valid):
            m.d.sync += valid.eq(valid & ~leaving)
        with m.Elif(fill.valid):
            m.d.comb += write.eq(place)
            m.d.sync += valid.eq(valid & ~overlap | place)
            m.d.sync += age.eq(plru.touch(touched, place))
        return m
