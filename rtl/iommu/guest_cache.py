"""Second stage of a translation: guest pages that were translated last."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams

from .msi_table import is_msi
from .onehot import lowest
from .records import PAGE_NUMBER_BITS, Kind, context_layout, leaf_layout, same_page, translate

__all__ = ["GuestCache", "GuestSignature", "usable"]


#: What tells tables of second stages, and ranges of their addresses, apart.
_SPACE = ("guest_root", "guest_levels", "sxl", "gxl")


class GuestSignature(wiring.Signature):
    """Guest pages. Directions are the walker's.

    Members
    -------
    gpn, context : ``Out(...)``
        Guest page in question, and its address space.
    hit, leaf : ``In(...)``
        It is known: its page, and the permissions of the second stage; in the same cycle.
    fill, new : ``Out(...)``
        What the walker has found for it.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "gpn": Out(PAGE_NUMBER_BITS), "context": Out(context_layout(params)),
            "hit": In(1), "leaf": In(leaf_layout(params)),
            "fill": Out(1), "new": Out(leaf_layout(params))})


class GuestCache(wiring.Component):
    """Keep second-stage translations, above all those of the pages that hold tables.

    With them a walk of both stages reads little more than one of the first stage alone.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``guest_entries`` is the number of entries.

    Members
    -------
    walker : ``In(GuestSignature(params))``
        Walker.
    flush : ``In(1)``
        Forget all, and keep nothing in this cycle.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU Page-Table cache invalidation commands":
    each of them drops all that is here.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({"walker": In(GuestSignature(params)), "flush": In(1)})

    def elaborate(self, platform):
        m = Module()
        params, entries, walker = self._params, self._params.guest_entries, self.walker
        asked, fill = Signal(self._tag()), Signal()
        m.d.comb += [
            asked.gpn.eq(walker.gpn), fill.eq(walker.fill & ~self.flush),
            *(asked.space[name].eq(walker.context[name]) for name in _SPACE)]

        tags = Signal(data.ArrayLayout(self._tag(), entries))
        leaves = Signal(data.ArrayLayout(leaf_layout(params), entries))
        valid, match = Signal(entries), Signal(entries)
        oldest = Signal(range(entries))
        found = Signal(leaf_layout(params))
        for k, (tag, held) in enumerate(zip(tags, leaves, strict=True)):
            m.d.comb += match[k].eq(
                valid[k] & (tag.space == asked.space) &
                same_page(tag.gpn, asked.gpn, held.page.covers))
            with m.If(fill & (oldest == k)):
                m.d.sync += [tag.eq(asked), held.eq(walker.new), valid[k].eq(1)]
        first = lowest(match)
        for k, held in enumerate(leaves):
            with m.If(first[k]):
                m.d.comb += found.eq(held)
        with m.If(fill):
            m.d.sync += oldest.eq(Mux(oldest == entries - 1, 0, oldest + 1))
        with m.If(self.flush):
            m.d.sync += valid.eq(0)
        m.d.comb += [walker.hit.eq(match.any()), walker.leaf.eq(found),
                     walker.leaf.page.ppn.eq(translate(found.page, asked.gpn))]
        return m

    def _tag(self) -> data.StructLayout:
        context = context_layout(self._params)
        return data.StructLayout({
            "gpn": PAGE_NUMBER_BITS, "space": data.StructLayout({
                name: context[name].shape for name in _SPACE})})


def usable(known: GuestSignature, request: data.View, gpn: Value, final: Value,
           writes: Value) -> Value:
    """Whether a guest page is known, and permits the access.

    Pages for tables, which are not ``final``, are read, or perhaps ``writes`` an update there.
    """
    implicit, flags = ~final | request.implicit, known.leaf.flags
    kind = Mux(implicit, Mux(writes, Kind.WRITE, Kind.READ), request.kind)
    allowed = Mux(kind == Kind.WRITE, flags.w, Mux(kind == Kind.EXECUTE, flags.x, flags.r))
    interrupts = is_msi(gpn, request.context).any() & ~implicit
    return known.hit & allowed & ~interrupts
