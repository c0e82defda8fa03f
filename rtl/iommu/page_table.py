"""What a page-table entry says."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import reserved, struct
from rtl.params import IommuParams
from rtl.spec.page_table import PTE, VPN_BITS

from .permissions import Permissions
from .records import PPN_BITS, Kind, access_layout, flags_layout, merge

__all__ = ["Entry"]


class Entry(wiring.Component):
    """Decode and check one page-table entry, of either stage. Combinational.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    word, level, narrow : ``In(...)``
        The entry, the level of its table, and whether it has 32 bits.
    page : ``In(PPN_BITS)``
        Page that is being translated.
    access, sum : ``In(...)``
        What is to be done there.
    leaf : ``Out(1)``
        It maps a page, else it points to a table.
    malformed : ``Out(1)``
        It is not valid, or has reserved bits or encodings: a page fault whatever the access.
    denied : ``Out(1)``
        A leaf that does not permit the access, whatever A and D are.
    unmarked : ``Out(1)``
        A leaf with A = 0, or with D = 0 for a write.
    marked : ``Out(64)``
        The entry with A, and D for a write.
    ppn : ``Out(PPN_BITS)``
        Page number of the table, or of the page of the leaf for ``page``.
    covers, flags, pbmt : ``Out(...)``
        Of a leaf, as in :func:`~rtl.iommu.records.page_layout`.

    Source
    ------
    RISC-V Privileged Architecture, section "Virtual Address Translation Process", chapters
    "Svnapot" and "Svpbmt"; RISC-V IOMMU Architecture Specification, chapter "Extensions".
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "word": In(64), "level": In(range(params.depth)), "page": In(PPN_BITS),
            "narrow": In(int(params.narrow)),
            "access": In(access_layout()), "sum": In(1),
            "leaf": Out(1), "malformed": Out(1), "denied": Out(1), "unmarked": Out(1),
            "marked": Out(64), "ppn": Out(PPN_BITS),
            "covers": Out(params.depth), "flags": Out(flags_layout()), "pbmt": Out(2)})

    def elaborate(self, platform):
        m = Module()
        params, level = self._params, self.level
        pte = data.View(struct(PTE), self.word)

        above = Cat(level >= k for k in range(1, params.depth))
        m.d.comb += [
            self.leaf.eq(pte.r | pte.x),
            self.covers.eq(Cat(pte.n | above[0], above)),
            self.ppn.eq(Mux(self.leaf, merge(self.covers, self.page, pte.ppn), pte.ppn)),
            self.pbmt.eq(pte.pbmt),
            self.flags.r.eq(pte.r), self.flags.w.eq(pte.w & pte.d), self.flags.x.eq(pte.x),
            self.flags.u.eq(pte.u), self.flags.g.eq(pte.g),
        ]

        # A page of 4 MiB is taken for that half of it that is asked for.
        halves = Const(0)
        if params.narrow:
            halves = self.narrow & above[0]
            with m.If(halves & self.leaf):
                m.d.comb += self.ppn[VPN_BITS].eq(self.page[VPN_BITS])

        always = [~pte.v, pte.w & ~pte.r, reserved(PTE, pte), pte.n & above[0]]
        if not params.svrsw60t59b:
            always.append(pte.rsw60t59b.any())
        if not params.svpbmt:
            always.append(pte.pbmt.any())
        as_leaf = [
            pte.pbmt == 3,
            halves & pte.ppn[VPN_BITS],
            pte.n & (pte.ppn[:4] != 0b1000),
            *(above[k] & pte.ppn[VPN_BITS * k:VPN_BITS * (k + 1)].any()
              for k in range(params.depth - 1)),
        ]
        as_pointer = [level == 0, pte.a, pte.d, pte.u, pte.pbmt.any()]
        m.d.comb += self.malformed.eq(Cat(
            *always, Mux(self.leaf, Cat(as_leaf).any(), Cat(as_pointer).any())).any())

        writes = self.access.kind == Kind.WRITE
        m.submodules.permissions = permissions = Permissions()
        m.d.comb += [
            permissions.access.eq(self.access), permissions.sum.eq(self.sum),
            permissions.flags.eq(self.flags), permissions.flags.w.eq(pte.w),
            self.denied.eq(self.leaf & permissions.denied),
            self.unmarked.eq(self.leaf & (~pte.a | writes & ~pte.d)),
            self.marked.eq(self.word | PTE.mask("a") | Mux(writes, PTE.mask("d"), 0)),
        ]
        return m
