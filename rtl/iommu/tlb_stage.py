"""Second stage of a translation: what the TLB knows of the page."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi.signature import PROT_INSTRUCTION, PROT_PRIVILEGED
from rtl.spec.faults import Cause
from rtl.spec.page_table import PAGE_BITS

from .context_stage import known_layout
from .records import VPN_WIDTH, Kind, access_layout, translate
from .tlb import LookupSignature

__all__ = ["TlbStage", "looked_up_layout", "virtual_page"]


def looked_up_layout(*, id_width: int, phys_bits: int) -> data.StructLayout:
    """Make the layout of an access with what is known of its page.

    ``known``: as before; ``wants``: what the device wants to do. Of the others at most one is set,
    and then the access is decided: ``passes``, to page ``ppn``; ``denied``, a page fault;
    ``beyond``, an access fault. Without any, and without ``known.cause``, it takes a page walk.
    """
    return data.StructLayout({
        "known": known_layout(id_width=id_width, phys_bits=phys_bits), "wants": access_layout(),
        "passes": 1, "denied": 1, "beyond": 1, "ppn": phys_bits - PAGE_BITS})


def virtual_page(addr: Value) -> Value:
    """Give the virtual page number of an I/O virtual address."""
    return addr[PAGE_BITS:PAGE_BITS + VPN_WIDTH]


class TlbStage(wiring.Component):
    """Ask the TLB for the page of each access, or find out that there is nothing to ask.

    An access is at ``o`` in the cycle after it was taken, one each cycle. While it waits there, the
    answer may still change, and may be missing in a cycle in which the TLB is busy.

    Parameters
    ----------
    id_width, phys_bits : int
        Widths of AXI IDs and of physical addresses, in bits.
    writes : bool
        Accesses are writes, else reads.

    Members
    -------
    i : ``In(stream.Signature(known_layout(...)))``
        Accesses with their context.
    o : ``Out(stream.Signature(looked_up_layout(...)))``
        Accesses with their page, in order.
    lookup : ``Out(LookupSignature(phys_bits))``
        TLB.
    flush : ``In(1)``
        An invalidation is in progress: an access that is here, or comes in this cycle, is stale.
    stale : ``Out(1)``
        A stale access is here.
    hit, miss : ``Out(1)``
        Strobes: the answer of the TLB to an access. There is one for each access that gets as far
        as a lookup: with a context, paged, and with a canonical address.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process to translate an IOVA", steps 10 to 17.
    """

    def __init__(self, *, id_width: int, phys_bits: int, writes: bool):
        self._writes, self._phys_bits = writes, phys_bits
        widths = {"id_width": id_width, "phys_bits": phys_bits}
        super().__init__({
            "i": In(stream.Signature(known_layout(**widths))),
            "o": Out(stream.Signature(looked_up_layout(**widths))),
            "lookup": Out(LookupSignature(phys_bits)),
            "flush": In(1), "stale": Out(1), "hit": Out(1), "miss": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        lookup, o = self.lookup, self.o.p
        valid = Signal()
        known = Signal.like(self.i.p)
        access, context = known.access, known.context

        m.d.comb += [
            o.known.eq(known),
            o.known.stale.eq(known.stale | self.flush),
            o.wants.kind.eq(Kind.WRITE if self._writes else
                            Mux(access.prot & PROT_INSTRUCTION, Kind.EXECUTE, Kind.READ)),
            o.wants.privileged.eq(access.user.process_valid & access.prot & PROT_PRIVILEGED),
            lookup.vpn.eq(virtual_page(access.addr)),
            lookup.pscid.eq(context.pscid),
            lookup.access.eq(o.wants),
        ]

        paged, canonical, asks = Signal(), Signal(), Signal()
        sign = access.addr[PAGE_BITS + VPN_WIDTH - 1:]
        wide = access.addr[self._phys_bits:].any()
        m.d.comb += [
            paged.eq(context.paged & ~known.bypass),
            canonical.eq(sign.all() | ~sign.any()),
            asks.eq((known.cause == Cause.NONE) & paged & canonical),
        ]
        with m.If(known.cause == Cause.NONE):
            with m.If(~paged):
                m.d.comb += [o.passes.eq(~wide), o.beyond.eq(wide)]
            with m.Elif(~canonical):
                m.d.comb += o.denied.eq(1)
            with m.Else():
                m.d.comb += [o.passes.eq(lookup.hit & ~lookup.denied),
                             o.denied.eq(lookup.hit & lookup.denied)]
        m.d.comb += o.ppn.eq(Mux(paged, translate(lookup.page, lookup.vpn),
                                 access.addr[PAGE_BITS:self._phys_bits]))

        leaves = self.o.valid & self.o.ready
        m.d.comb += [
            self.o.valid.eq(valid & (lookup.ready | ~asks)),
            self.i.ready.eq(~valid | leaves),
            lookup.valid.eq(valid & asks),
            self.hit.eq(leaves & asks & lookup.hit),
            self.miss.eq(leaves & asks & ~lookup.hit),
            self.stale.eq(valid & known.stale),
        ]
        with m.If(self.flush):
            m.d.sync += known.stale.eq(1)
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), known.eq(self.i.p)]
            m.d.sync += known.stale.eq(self.i.p.stale | self.flush)
        return m
