"""Walks of first-stage page tables."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import reserved, struct
from rtl.spec.page_table import PAGE_BITS, PTE, VPN_BITS

from .records import LEVELS, VPN_WIDTH, WalkStatus, leaf_layout
from .service import ServiceSignature
from .tables import ReadSignature

__all__ = ["PageWalker", "walk_signature"]


def walk_signature(phys_bits: int) -> ServiceSignature:
    """Service of a :class:`PageWalker`.

    Request: ``vpn``, ``pscid``, ``root`` (page number), ``root_wide``. Reply: ``status``, ``leaf``
    (if ``WalkStatus.LEAF``), and ``wide``, high if the page lies beyond the physical address space.
    """
    return ServiceSignature(
        data.StructLayout({"vpn": VPN_WIDTH, "pscid": 20, "root": phys_bits - PAGE_BITS,
                           "root_wide": 1}),
        data.StructLayout({"status": WalkStatus, "leaf": leaf_layout(phys_bits), "wide": 1}))


class PageWalker(wiring.Component):
    """Read page-table entries from the root down, for one walk at a time.

    A walk of ``n`` entries takes ``n * (latency + 1)`` cycles from ``start`` to ``valid``, with an
    idle memory that answers in ``latency`` cycles; the first read is in the cycle of ``start``.
    Permissions are not looked at, but an entry with A = 0 is a page fault here, since this build
    does not set A.

    Parameters
    ----------
    phys_bits : int
        Width of physical addresses.

    Members
    -------
    service : ``In(walk_signature(phys_bits))``
        Walks to do.
    table : ``Out(ReadSignature(phys_bits))``
        Page-table entries.
    fill : ``Out(...)``
        ``valid``, ``vpn``, ``pscid`` and ``leaf``, the cycle after an answer was taken that may be
        kept.

    Source
    ------
    RISC-V Privileged Architecture, section "Virtual Address Translation Process", chapters "Sv39"
    and "Svnapot"; RISC-V IOMMU Architecture Specification, section "Process to translate an IOVA".
    """

    def __init__(self, *, phys_bits: int):
        self._leaf = leaf_layout(phys_bits)
        super().__init__({
            "service": In(walk_signature(phys_bits)),
            "table": Out(ReadSignature(phys_bits)),
            "fill": Out(wiring.Signature({
                "valid": Out(1), "vpn": Out(VPN_WIDTH), "pscid": Out(20),
                "leaf": Out(self._leaf)})),
        })

    def elaborate(self, platform):
        m = Module()
        service, table = self.service, self.table
        request = service.request

        level = Signal(range(LEVELS))
        base = Signal.like(request.root)
        spread = Signal()               # an entry on the way had G: so has the leaf
        reply = Signal.like(service.reply)
        m.d.comb += service.reply.eq(reply)

        index = Signal(VPN_BITS)
        with m.Switch(level):
            for k in range(LEVELS):
                with m.Case(k):
                    m.d.comb += index.eq(request.vpn[k * VPN_BITS:(k + 1) * VPN_BITS])
        m.d.comb += table.request.p.addr.eq(Cat(Const(0, 3), index, base))

        pte = data.View(struct(PTE), table.reply.data)
        leaf = pte.r | pte.x
        malformed = Signal()
        wide = Signal()
        m.d.comb += [
            malformed.eq(self._malformed(pte, leaf, level)),
            wide.eq(pte.ppn[len(base):].any()),
        ]
        found = self._found(pte, spread, level)

        with m.FSM(name="walk"):
            with m.State("IDLE"):
                top = request.vpn[(LEVELS - 1) * VPN_BITS:]
                m.d.comb += [
                    service.start.eq(service.want),
                    table.request.valid.eq(service.want & ~request.root_wide),
                    table.request.p.addr.eq(Cat(Const(0, 3), top, request.root)),
                ]
                m.d.sync += [level.eq(LEVELS - 1), base.eq(request.root), spread.eq(0)]
                with m.If(service.want):
                    m.next = "READ"
                    with m.If(request.root_wide):
                        m.d.sync += reply.status.eq(WalkStatus.ACCESS_FAULT)
                        m.next = "DONE"
                    with m.Elif(table.request.ready):
                        m.next = "WAIT"

            with m.State("READ"):
                m.d.comb += table.request.valid.eq(1)
                with m.If(table.request.ready):
                    m.next = "WAIT"

            with m.State("WAIT"):
                m.d.sync += [reply.leaf.eq(found), reply.wide.eq(wide)]
                with m.If(table.reply.valid):
                    m.d.sync += [level.eq(level - 1), base.eq(pte.ppn), spread.eq(spread | pte.g)]
                    m.next = "DONE"
                    with m.If(table.reply.error):
                        m.d.sync += reply.status.eq(WalkStatus.ACCESS_FAULT)
                    with m.Elif(malformed):
                        m.d.sync += reply.status.eq(WalkStatus.PAGE_FAULT)
                    with m.Elif(leaf):
                        m.d.sync += reply.status.eq(WalkStatus.LEAF)
                    with m.Elif(wide):
                        m.d.sync += reply.status.eq(WalkStatus.ACCESS_FAULT)
                    with m.Else():
                        m.next = "READ"

            with m.State("DONE"):
                m.d.comb += service.valid.eq(1)
                m.d.sync += [self.fill.vpn.eq(request.vpn), self.fill.pscid.eq(request.pscid)]
                with m.If(service.take):
                    m.d.sync += self.fill.valid.eq(service.keep)
                    m.next = "FILL"

            # The next walk starts after the entry can be found.
            with m.State("FILL"):
                m.d.sync += self.fill.valid.eq(0)
                m.next = "IDLE"
        m.d.comb += self.fill.leaf.eq(reply.leaf)
        return m

    @staticmethod
    def _malformed(pte, leaf, level):
        """Find what is a page fault whatever the access: invalid or reserved."""
        always = [
            ~pte.v, pte.w & ~pte.r, pte.pbmt.any(), pte.rsw60t59b.any(),
            reserved(PTE, pte), pte.n & (level != 0),
        ]
        as_leaf = [
            ~pte.a,
            pte.n & (pte.ppn[:4] != 0b1000),
            (level >= 1) & pte.ppn[:VPN_BITS].any(),
            (level == 2) & pte.ppn[VPN_BITS:2 * VPN_BITS].any(),
        ]
        as_pointer = [level == 0, pte.a, pte.d, pte.u]
        return Cat(*always, Mux(leaf, Cat(as_leaf).any(), Cat(as_pointer).any())).any()

    def _found(self, pte, spread, level):
        """Cut the entry to what the TLB keeps."""
        covers = Cat(pte.n | (level != 0), level != 0, level == 2)
        ppn = pte.ppn[:self._leaf["page"].shape["ppn"].width]
        return data.View(self._leaf, Cat(
            ppn, covers, pte.r, pte.w, pte.x, pte.u, pte.g | spread, pte.d))
