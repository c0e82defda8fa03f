"""Second stage of a translation: guest pages that were translated last."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams

from .msi_table import is_msi
from .onehot import lowest
from .records import PAGE_NUMBER_BITS, Kind, context_layout, leaf_layout, same_page, translate

__all__ = ["GuestCache", "GuestSignature", "keep_known", "use_known"]


#: What tells tables of second stages, and ranges of their addresses, apart.
_SPACE = ("guest_root", "guest_levels", "sxl", "gxl")


class GuestSignature(wiring.Signature):
    """Guest pages of one walker. Directions are the walker's.

    Members
    -------
    asks, gpn : ``Out(...)``
        The walker wants to know of this guest page; stays until ``granted``.
    granted : ``In(1)``
        The answer is here, in this cycle.
    hit, leaf : ``In(...)``
        It is known: its page, and the permissions of the second stage.
    fill, new : ``Out(...)``
        What the walker has found for ``gpn``.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "asks": Out(1), "gpn": Out(PAGE_NUMBER_BITS), "granted": In(1), "hit": In(1),
            "leaf": In(leaf_layout(params)), "fill": Out(1), "new": Out(leaf_layout(params))})


class GuestCache(wiring.Component):
    """Keep second-stage translations, above all those of the pages that hold tables.

    With them a walk of both stages reads little more than one of the first stage alone. One walker
    gets an answer in a cycle, the lowest first.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``guest_entries`` is the number of entries.

    Members
    -------
    walkers : ``In(GuestSignature(params)).array(walks)``
        Walkers.
    contexts : ``In(context_layout(params)).array(walks)``
        Address space of each.
    stale : ``In(1).array(walks)``
        Do not keep what this one finds.
    flush : ``In(1)``
        Forget all, and keep nothing in this cycle.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU Page-Table cache invalidation commands":
    each of them drops all that is here.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "walkers": In(GuestSignature(params)).array(params.walks),
            "contexts": In(context_layout(params)).array(params.walks),
            "stale": In(1).array(params.walks), "flush": In(1)})

    def elaborate(self, platform):
        m = Module()
        params, entries = self._params, self._params.guest_entries
        chosen = Signal(params.walks)
        m.d.comb += chosen.eq(lowest(Cat(walker.asks for walker in self.walkers)))
        asked = Signal(self._tag())
        new, leaf = Signal(self._tag()), Signal(leaf_layout(params))
        fill = Signal()
        for k, (walker, context) in enumerate(zip(self.walkers, self.contexts, strict=True)):
            with m.If(chosen[k]):
                m.d.comb += self._about(asked, walker.gpn, context)
            with m.If(walker.fill & ~self.stale[k]):
                m.d.comb += [fill.eq(~self.flush), leaf.eq(walker.new)]
                m.d.comb += self._about(new, walker.gpn, context)

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
                m.d.sync += [tag.eq(new), held.eq(leaf), valid[k].eq(1)]
        first = lowest(match)
        for k, held in enumerate(leaves):
            with m.If(first[k]):
                m.d.comb += found.eq(held)
        with m.If(fill):
            m.d.sync += oldest.eq(Mux(oldest == entries - 1, 0, oldest + 1))
        with m.If(self.flush):
            m.d.sync += valid.eq(0)
        for k, walker in enumerate(self.walkers):
            m.d.comb += [walker.granted.eq(chosen[k]), walker.hit.eq(match.any()),
                         walker.leaf.eq(found),
                         walker.leaf.page.ppn.eq(translate(found.page, asked.gpn))]
        return m

    def _tag(self) -> data.StructLayout:
        context = context_layout(self._params)
        return data.StructLayout({
            "gpn": PAGE_NUMBER_BITS, "space": data.StructLayout({
                name: context[name].shape for name in _SPACE})})

    @staticmethod
    def _about(tag, gpn, context):
        return [tag.gpn.eq(gpn), *(tag.space[name].eq(context[name]) for name in _SPACE)]


def use_known(m, known: GuestSignature, request: data.View, gpn: Value, final: Value,
              writes: Value) -> Value:
    """Ask for a guest page. Returns whether it is known, and permits the access.

    Until there is an answer, the walk stays in its state ``"GUEST"``. Pages for tables, which are
    not ``final``, are read, or perhaps ``writes`` an update there.
    """
    implicit, flags = ~final | request.implicit, known.leaf.flags
    kind = Mux(implicit, Mux(writes, Kind.WRITE, Kind.READ), request.kind)
    allowed = Mux(kind == Kind.WRITE, flags.w, Mux(kind == Kind.EXECUTE, flags.x, flags.r))
    interrupts = is_msi(gpn, request.context).any() & ~implicit
    m.d.comb += known.asks.eq(1)
    with m.If(~known.granted):
        m.next = "GUEST"
    return known.granted & known.hit & allowed & ~interrupts


def keep_known(m, known: GuestSignature, entry, valid: Value, sizes: int) -> None:
    """Keep what the walk has found, in pages of ``sizes`` at most."""
    page = known.new.page
    m.d.sync += [known.fill.eq(valid), known.new.flags.eq(entry.flags), page.ppn.eq(entry.ppn),
                 page.pbmt.eq(entry.pbmt), page.covers.eq(entry.covers & sizes)]
