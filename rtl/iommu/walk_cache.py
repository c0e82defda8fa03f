"""Where the last page tables were found."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.spec.page_table import VPN_BITS

from .records import table_bits

__all__ = ["WalkCache"]


class WalkCache(wiring.Component):
    """Keep the table of 4-KiB pages that was read last, one for reads and one for writes.

    So a stream through consecutive pages reads one entry for each, instead of one for each level.
    Only tables of a first stage without a second stage are kept. The answer is combinational; what
    is filled can be found from the next cycle.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    entry : ``In(1)``
        Which of both.
    page, root, levels : ``In(...)``
        Page number in question, and what tells its address space: root and depth of the tables.
    hit, base, g : ``Out(...)``
        The table is at page number ``base``; ``g`` if an entry on the way to it was global.
    fill, new_base, new_g : ``In(...)``
        Keep this table for that page.
    flush : ``In(1)``
        Forget all; and keep nothing of the walk that is under way.
    begin : ``In(1)``
        A walk begins.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU Page-Table cache invalidation commands":
    each of them drops all that is here, with or without NL.
    """

    def __init__(self, params: IommuParams):
        levels = params.levels
        self._key = data.StructLayout({
            "page": VPN_BITS * (levels - 1), "root": table_bits(params), "levels": levels - 3})
        super().__init__({
            "entry": In(1), "page": In(VPN_BITS * levels), "root": In(table_bits(params)),
            "levels": In(levels - 3),
            "hit": Out(1), "base": Out(table_bits(params)), "g": Out(1),
            "fill": In(1), "new_base": In(table_bits(params)), "new_g": In(1),
            "flush": In(1), "begin": In(1)})

    def elaborate(self, platform):
        m = Module()
        key, stale = Signal(self._key), Signal()
        m.d.comb += [key.page.eq(self.page[VPN_BITS:]), key.root.eq(self.root),
                     key.levels.eq(self.levels)]
        for number in range(2):
            valid, held = Signal(), Signal(self._key, name=f"held_{number}")
            base, g = Signal.like(self.base), Signal()
            with m.If(self.entry == number):
                m.d.comb += [self.hit.eq(valid & (held.as_value() == key.as_value())),
                             self.base.eq(base), self.g.eq(g)]
                with m.If(self.fill & ~stale):
                    m.d.sync += [valid.eq(1), held.eq(key), base.eq(self.new_base),
                                 g.eq(self.new_g)]
            with m.If(self.flush):
                m.d.sync += valid.eq(0)
        with m.If(self.begin):
            m.d.sync += stale.eq(0)
        with m.If(self.flush):
            m.d.sync += stale.eq(1)
        return m
