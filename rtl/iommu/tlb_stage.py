"""Second stage of a translation: what the TLB knows of the page."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import PAGE_BITS

from .context_stage import known_layout
from .geometry import canonical
from .records import page_layout, translate
from .tlb import LookupSignature

__all__ = ["TlbStage", "looked_up_layout"]


def looked_up_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of an access with what is known of its page.

    ``known``: as before; ``passes``: to page ``ppn``, of memory type ``pbmt``. Without that, and
    without ``known.cause``, the page walker decides. ``canonical``: the address is in the range of
    the table. ``fresh``: nobody has used the page before.
    """
    page = page_layout(params)
    return data.StructLayout({
        "known": known_layout(params), "passes": 1, "canonical": 1,
        "ppn": page["ppn"].shape, "pbmt": page["pbmt"].shape, "fresh": params.prefetch})


class TlbStage(wiring.Component):
    """Ask the TLB for the page of each access, or find out that there is nothing to ask.

    An access is at ``o`` in the cycle after it was taken, one each cycle. While it waits there, the
    answer may still change, and may be missing in a cycle in which the TLB is busy.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    i : ``In(stream.Signature(known_layout(params)))``
        Accesses with their context.
    o : ``Out(stream.Signature(looked_up_layout(params)))``
        Accesses with their page, in order.
    lookup : ``Out(LookupSignature(params))``
        TLB.
    flush : ``In(1)``
        An invalidation is in progress: an access that is here, or comes in this cycle, is stale.
    stale : ``Out(1)``
        A stale access is here.
    claim : ``In(1)``
        The page of the access at ``o`` is fresh no more.
    hit, miss : ``Out(1)``
        Strobes: an access with a page table was answered by the TLB, or goes to the walker.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process to translate an IOVA", steps 10 to 17.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(known_layout(params))),
            "o": Out(stream.Signature(looked_up_layout(params))),
            "lookup": Out(LookupSignature(params)),
            "flush": In(1), "stale": Out(1), "hit": Out(1), "miss": Out(1),
            "claim": In(int(self._params.prefetch)),
        })

    def elaborate(self, platform):
        m = Module()
        lookup, o = self.lookup, self.o.p
        valid = Signal()
        known = Signal.like(self.i.p)
        context, page = known.context, known.access.addr[PAGE_BITS:]

        key = lookup.key.shape().of(page, context)
        m.d.comb += [
            o.known.eq(known),
            o.known.stale.eq(known.stale | self.flush),
            lookup.access.eq(known.wants), lookup.sum.eq(context.sum),
            lookup.access.privileged.eq(known.wants.privileged & context.paged),
        ]
        m.d.comb += [lookup.key[name].eq(value) for name, value in key.items()]

        mapped, asks = Signal(), Signal()
        wide = page[self._params.ppn_bits:].any()
        m.d.comb += [
            mapped.eq((context.paged | context.guest) & ~known.bypass),
            o.canonical.eq(canonical(self._params, page, context)),
            asks.eq((known.cause == Cause.NONE) & mapped & o.canonical),
        ]
        with m.If(mapped):
            m.d.comb += [o.passes.eq(asks & lookup.hit), o.pbmt.eq(lookup.page.pbmt),
                         o.ppn.eq(translate(lookup.page, lookup.key.vpn))]
        with m.Else():
            m.d.comb += [o.passes.eq((known.cause == Cause.NONE) & ~wide),
                         o.ppn.eq(page[:self._params.ppn_bits])]

        m.d.comb += [o.fresh.eq(lookup.fresh), lookup.claim.eq(self.claim)]
        leaves = self.o.valid & self.o.ready
        m.d.comb += [
            self.o.valid.eq(valid & (lookup.ready | ~asks)),
            self.i.ready.eq(~valid | leaves),
            lookup.valid.eq(valid & asks),
            self.hit.eq(leaves & asks & lookup.hit),
            self.miss.eq(leaves & (known.cause == Cause.NONE) & mapped & ~(asks & lookup.hit)),
            self.stale.eq(valid & known.stale),
        ]
        with m.If(self.flush):
            m.d.sync += known.stale.eq(1)
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), known.eq(self.i.p)]
            m.d.sync += known.stale.eq(self.i.p.stale | self.flush)
        return m
