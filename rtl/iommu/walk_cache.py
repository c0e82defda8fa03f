"""Where the last tables of leaves were found."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.spec.page_table import VPN_BITS

from .onehot import encode, lowest
from .records import PAGE_NUMBER_BITS, context_layout, table_bits

__all__ = ["ShortcutLayout", "WalkCache"]


class ShortcutLayout(data.StructLayout):
    """Table of leaves for a page, if ``hit``: at page number ``base``.

    ``g``: an entry on the way to it was global.
    """

    def __init__(self, params: IommuParams):
        super().__init__({"hit": 1, "base": table_bits(params), "g": 1})


class WalkCache(wiring.Component):
    """Keep the tables of 4-KiB pages that were read last, as many as there may be walks.

    So a stream through consecutive pages reads one entry for each, instead of one for each level.
    The page number of a table is physical, also behind a second stage. The answer is there in the
    cycle after the question, and does not know of what is filled in the cycle of the question.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    page, context : ``In(...)``
        Page number in question, and its address space.
    found : ``Out(ShortcutLayout(params))``
        Its table, a cycle later.
    fill, new_page, new_context, new : ``In(...)``
        Keep this table for that page.
    flush : ``In(1)``
        Forget all, and keep nothing in this cycle.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU Page-Table cache invalidation commands":
    each of them drops all that is here, with or without NL.
    """

    def __init__(self, params: IommuParams):
        self._params, self._entries = params, max(2, params.walks)
        super().__init__({
            "page": In(PAGE_NUMBER_BITS), "context": In(context_layout(params)),
            "found": Out(ShortcutLayout(params)),
            "fill": In(1), "new_page": In(PAGE_NUMBER_BITS),
            "new_context": In(context_layout(params)), "new": In(ShortcutLayout(params)),
            "flush": In(1)})

    def elaborate(self, platform):
        m = Module()
        entries = self._entries
        key, new = self._key(self.page, self.context), self._key(self.new_page, self.new_context)
        held = Signal(data.ArrayLayout(len(key), entries))
        valid, match, filled = Signal(entries), Signal(entries), Signal(entries)
        oldest = Signal(range(entries))
        m.submodules.tables = tables = memory.Memory(
            shape=ShortcutLayout(self._params), depth=entries, init=[])
        store, load = tables.write_port(), tables.read_port(domain="comb")
        m.d.comb += filled.eq(Mux(self.fill, Cat(oldest == k for k in range(entries)), 0))
        m.d.sync += match.eq(Mux(self.flush, 0, valid & ~filled & Cat(one == key for one in held)))
        m.d.comb += [
            load.addr.eq(encode(lowest(match))), self.found.eq(load.data),
            self.found.hit.eq(match.any()),
            store.addr.eq(oldest), store.data.eq(self.new), store.en.eq(self.fill),
        ]
        with m.If(self.fill):
            m.d.sync += oldest.eq(Mux(oldest == entries - 1, 0, oldest + 1))
            for k in range(entries):
                with m.If(filled[k]):
                    m.d.sync += [held[k].eq(new), valid[k].eq(1)]
        with m.If(self.flush):
            m.d.sync += valid.eq(0)
        return m

    def _key(self, page, context):
        """All that chooses a table of leaves."""
        return Cat(page[VPN_BITS:VPN_BITS * self._params.levels], context.root, context.levels,
                   context.sxl, context.guest, context.guest_root, context.guest_levels)
