"""Walks of the page tables of both stages."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.hpm import HpmEvent

from .entry_update import begin_update, update_entry
from .events import EventSignature, tell
from .geometry import beyond_guest, entry_offset, first_top, guest_top, is_narrow, root_part
from .guest_cache import GuestSignature, keep_known, use_known
from .msi_table import TO_FILE, MsiEntry, MsiIndex, is_msi
from .page_table import Entry
from .permissions import access_fault, guest_page_fault, page_fault
from .records import (
    PAGE_NUMBER_BITS,
    Kind,
    context_layout,
    guest_fault_layout,
    leaf_layout,
    narrow,
    table_bits,
    whole,
)
from .service import ServiceSignature
from .tables import ReadSignature, WriteSignature
from .walk_cache import ShortcutLayout

__all__ = ["PageWalker", "walk_signature"]


def walk_signature(params: IommuParams) -> ServiceSignature:
    """Service of a :class:`PageWalker`.

    Request: ``page`` number, which ``canonical`` tells to be in the range of the first stage;
    ``kind`` of access, ``privileged`` or not; ``context``, or ``bypass`` if there is none; and
    ``implicit`` for a read of a process directory, which is not cached. ``ahead``: nobody has asked
    for the page; then no entry is updated.

    Reply: ``cause``, with ``guest_fault``; or if that is :attr:`Cause.NONE` the ``page``, whose
    ``ppn`` is that of the page asked for, and ``flags`` of all leaves together.
    """
    leaf = leaf_layout(params)
    return ServiceSignature(
        data.StructLayout({
            "page": PAGE_NUMBER_BITS, "canonical": 1, "kind": Kind, "privileged": 1,
            "context": context_layout(params), "bypass": 1, "implicit": params.two_stage,
            "ahead": params.prefetch}),
        data.StructLayout({
            "cause": 12, "guest_fault": guest_fault_layout(params),
            "page": leaf["page"].shape, "flags": leaf["flags"].shape}))


class PageWalker(wiring.Component):
    """Read page-table entries from the root down, for one walk at a time.

    There is one table under way: that of the first stage, or that of the second stage for a guest
    page, which is that of the next entry of the first stage, or in the end that of the page itself.
    A walk of ``n`` entries takes ``n * (latency + 1)`` cycles from ``start`` to ``valid``, with an
    idle memory that answers in ``latency`` cycles; the first read is in the cycle of ``start``.
    With a shortcut ``n`` is one. If there is a second stage it takes a cycle more for each guest
    page, and one to begin.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    service : ``In(walk_signature(params))``
        Walks to do.
    table : ``Out(ReadSignature(phys_bits))``
        Page-table entries.
    store : ``Out(WriteSignature(phys_bits))``
        Entries whose A or D is set, by an exclusive read and write.
    shortcut : ``In(ShortcutLayout(params))``
        Where the table of leaves for the page is, if that is known; in the cycle of ``start``.
    found : ``Out(...)``
        ``valid`` and ``table``: the walk has come there.
    started : ``Out(1)``
        Strobe: a walk of the first stage begins, for an access.
    guest : ``Out(GuestSignature(params))``
        Guest pages that are known; with a second stage and ``guest_entries``.
    locks, may_lock : ``Out(1)``, ``In(1)``
        The walker updates an entry; it may. One of all walkers may at a time.
    event : ``Out(EventSignature(params))``
        Walks of either stage for an access, as they begin; with ``hpm``.

    Source
    ------
    RISC-V Privileged Architecture, sections "Virtual Address Translation Process" and "Guest
    Physical Address Translation"; RISC-V IOMMU Architecture Specification, section "Process to
    translate an IOVA", steps 16 to 20.
    """

    def __init__(self, params: IommuParams):
        self._params, two = params, params.two_stage
        super().__init__({
            "service": In(walk_signature(params)),
            "table": Out(ReadSignature(params.phys_bits)),
            "store": Out(WriteSignature(params.phys_bits)),
            "shortcut": In(ShortcutLayout(params)),
            "found": Out(wiring.Signature({"valid": Out(1), "table": Out(ShortcutLayout(params))})),
            "guest": Out(GuestSignature(params)).array(int(params.guest_entries > 0 and two)),
            "started": Out(1), "locks": Out(1), "may_lock": In(1),
            **({"event": Out(EventSignature(params))} if params.hpm else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params, service, table = self._params, self.service, self.table
        request, context = service.request, service.request.context
        two = params.two_stage

        # The table under way, and the place in the tables of either stage.
        second = Signal() if two else Const(0)
        final = Signal() if two else Const(1)   # the guest page is the last to be translated
        level = Signal(range(params.levels))
        guest_level = Signal(range(params.guest_levels)) if two else Const(0)
        base = Signal(table_bits(params))
        gpn = Signal(PAGE_NUMBER_BITS) if two else Const(0)
        reply = Signal.like(service.reply)
        flags = reply.flags

        # The entry of either stage is being updated: it is read again, exclusively.
        locked = Signal(2) if params.amo_hwad else Const(0, 2)
        update = Mux(second, context.gade, context.sade).any() & ~request.ahead.any()
        locks, big = locked.bit_select(second, 1), Mux(second, context.big, context.sbe)
        m.submodules.entry = entry = Entry(params)
        page = Mux(second, gpn, request.page)
        guest_on = context.guest.any()  # `~` of what has no bits would not be true
        here, narrow32 = Mux(second, guest_level, level), is_narrow(context, second)
        m.d.comb += [
            entry.word.eq(table.reply.data), entry.level.eq(here), entry.page.eq(page),
            entry.access.kind.eq(
                Mux(second & (~final | request.implicit),
                    Mux(locked[0], Kind.WRITE, Kind.READ), request.kind)),
            entry.access.privileged.eq(request.privileged & ~second), entry.sum.eq(context.sum),
            table.request.p.addr.eq(Cat(entry_offset(page, here, narrow32), base)),
            table.request.p.lock.eq(locks), table.request.p.big.eq(big),
            table.request.p.word.eq(narrow32), entry.narrow.eq(narrow32),
        ]
        m.d.comb += [service.reply.eq(reply), self.locks.eq(locked.any()), self.store.big.eq(big),
                     self.store.word.eq(narrow32)]
        # The table of leaves has just been found.
        shortcut, found = self.shortcut, self.found
        m.d.comb += [found.table.hit.eq(1), found.table.base.eq(base), found.table.g.eq(flags.g)]
        m.d.sync += found.valid.eq(0)
        for known in self.guest:
            m.d.comb += known.gpn.eq(gpn)
            m.d.sync += known.fill.eq(0)
        beyond = entry.ppn[params.ppn_bits:].any()
        wide = base[params.ppn_bits:].any()
        top, first_root = first_top(context), context.root[:params.ppn_bits]

        def end(cause):
            m.d.sync += reply.cause.eq(cause)
            m.next = "DONE"

        def guest(ppn, *, last):
            m.d.sync += [gpn.eq(ppn), final.eq(last)]
            m.next = "GUEST"

        with m.FSM(name="walk"):
            with m.State("IDLE"):
                direct = context.paged & request.canonical & ~request.bypass
                # To update an entry, the guest page of its table must be known.
                short = shortcut.hit & ~(guest_on & context.sade.any())
                if params.hpm:
                    tell(m, self.event, HpmEvent.FIRST_STAGE_WALK,
                         self.started & request.canonical, context)
                m.d.comb += [
                    service.start.eq(service.want),
                    self.started.eq(service.want & context.paged & ~request.bypass &
                                    ~request.ahead.any()),
                    table.request.valid.eq(service.want & direct & (
                        short | ~guest_on & ~context.root[params.ppn_bits:].any())),
                    table.request.p.lock.eq(0), table.request.p.big.eq(context.sbe),
                    table.request.p.word.eq(context.sxl),
                    table.request.p.addr.eq(Cat(
                        entry_offset(request.page, Mux(short, 0, top), context.sxl),
                        Mux(short, shortcut.base, first_root))),
                ]
                m.d.sync += [
                    level.eq(top), base.eq(context.root), reply.eq(0),
                    reply.page.covers.eq(-1), flags.r.eq(1), flags.w.eq(1),
                    flags.x.eq(1), flags.u.eq(1),
                ]
                if two:
                    m.d.sync += second.eq(0)
                if params.amo_hwad:
                    m.d.sync += locked.eq(0)
                with m.If(service.want):
                    m.next = "READ"
                    with m.If(request.bypass | ~(context.paged | guest_on)):
                        end(access_fault(request.kind))
                    with m.Elif(context.paged & ~request.canonical):
                        end(page_fault(request.kind))
                    if two:
                        with m.Elif(~context.paged):
                            guest(request.page, last=1)
                        with m.Elif(context.guest & ~short):
                            guest(context.root, last=0)
                    with m.Elif(table.request.valid & table.request.ready):
                        m.next = "WAIT"
                    with m.If(direct & short):
                        m.d.sync += [level.eq(0), base.eq(shortcut.base), flags.g.eq(shortcut.g)]

            if two:
                with m.State("GUEST"):
                    m.d.sync += [second.eq(1), guest_level.eq(guest_top(context))]
                    self._guest(m, gpn, final, locked[0], base, reply, end)
                    for known in self.guest:
                        usable = use_known(m, known, request, gpn, final, locked[0])
                        if params.hpm:  # one that is known counts as well
                            with m.If(~known.granted):
                                m.d.comb += self.event.valid.eq(0)
                        with m.If(usable & final):
                            self._leaf(m, known.leaf.page, known.leaf.flags, Const(1), reply)
                            end(Cause.NONE)
                        with m.Elif(usable):
                            m.d.sync += [second.eq(0), base.eq(known.leaf.page.ppn),
                                         found.valid.eq(level == 0)]
                            m.next = "READ"

            with m.State("READ"):
                m.d.comb += table.request.valid.eq(~wide & (~locks | self.may_lock))
                with m.If(wide):
                    end(access_fault(request.kind))
                with m.Elif(table.request.valid & table.request.ready):
                    m.next = "WAIT"

            with m.State("WAIT"):
                with m.If(table.reply.valid):
                    m.next = "READ"
                    with m.If(table.reply.error):
                        end(Mux(table.reply.poison, Cause.PAGE_TABLE_CORRUPTION,
                                access_fault(request.kind)))
                    with m.Elif(entry.malformed | entry.denied | entry.unmarked & ~update):
                        end(Mux(second, guest_page_fault(request.kind), page_fault(request.kind)))
                    if params.amo_hwad:
                        with m.Elif(entry.unmarked):
                            begin_update(m, self, entry, second, locked,
                                         two and (lambda: guest(gpn, last=0)))
                    with m.Elif(entry.leaf):
                        with m.If(~second | final):
                            self._leaf(m, entry, entry.flags, second, reply)
                        end(Mux(beyond, access_fault(request.kind), Cause.NONE))
                        if two:
                            for known in self.guest:
                                keep_known(m, known, entry, second & ~beyond, whole(params))
                            with m.If(second & ~final):
                                m.d.sync += [second.eq(0), base.eq(entry.ppn),
                                             found.valid.eq((level == 0) & ~beyond)]
                                m.next = "READ"
                            with m.Elif(~second & context.guest):
                                guest(entry.ppn, last=1)
                    with m.Else():
                        m.d.sync += [base.eq(narrow(params, entry.ppn)),
                                     found.valid.eq((level == 1) & ~guest_on & ~beyond)]
                        with m.If(~second):
                            m.d.sync += [level.eq(level - 1), flags.g.eq(flags.g | entry.flags.g)]
                        if two:
                            with m.If(second):
                                m.d.sync += guest_level.eq(guest_level - 1)
                            with m.Elif(context.guest):
                                guest(entry.ppn, last=0)

            if params.amo_hwad:
                with m.State("UPDATE"):
                    update_entry(m, self, second, locked, end)

            if params.msi:
                self._msi(m, gpn, reply, end)

            with m.State("DONE"):
                m.d.comb += service.valid.eq(1)
                with m.If(service.take):
                    m.next = "IDLE"
        return m

    def _guest(self, m, gpn, final, update, base, reply, end):
        """Begin with the second stage for the page ``gpn``."""
        params, request = self._params, self.service.request
        context, implicit = request.context, ~final | request.implicit
        beyond = beyond_guest(params, gpn, context)
        m.d.sync += [
            base.eq(context.guest_root | root_part(params, gpn, context)),
            reply.guest_fault.gpn.eq(gpn), reply.guest_fault.implicit.eq(implicit),
            reply.guest_fault.update.eq(~final & update),
        ]
        m.next = "READ"
        if params.hpm:
            tell(m, self.event, HpmEvent.SECOND_STAGE_WALK, ~beyond & ~request.ahead.any(),
                 context)
        with m.If(beyond):
            end(guest_page_fault(request.kind))
        if params.msi:                  # an interrupt file may lie beyond
            with m.If(is_msi(gpn, context) & ~implicit):
                m.next = "MSI"
                if params.hpm:
                    m.d.comb += self.event.valid.eq(0)

    def _leaf(self, m, leaf, permits, second, reply):
        """Add a leaf to what the translation permits and covers."""
        context, page, flags = self.service.request.context, reply.page, reply.flags
        m.d.sync += [
            page.ppn.eq(leaf.ppn),
            page.covers.eq(page.covers & leaf.covers & whole(self._params)),
            page.pbmt.eq(Mux(page.pbmt.any(), page.pbmt, leaf.pbmt)),
            flags.r.eq(flags.r & permits.r), flags.w.eq(flags.w & permits.w),
            flags.x.eq(flags.x & permits.x),
            flags.u.eq(Mux(second, flags.u, permits.u)),
            flags.g.eq(flags.g | permits.g & ~second),
        ]
        with m.If(context.msi):         # any page of it may be an interrupt file
            m.d.sync += page.covers.eq(0)

    def _msi(self, m, gpn, reply, end):
        """Translate ``gpn`` by the MSI page table."""
        params, table, request = self._params, self.table, self.service.request
        m.submodules.msi_index = index = MsiIndex(params)
        m.submodules.msi_entry = entry = MsiEntry(params)
        m.d.comb += [getattr(entry.reply, name).eq(getattr(table.reply, name))
                     for name in ("valid", "data", "error", "poison", "last")]
        m.d.comb += [entry.kind.eq(request.kind), index.root.eq(request.context.msi_root),
                     index.gpn.eq(gpn), index.mask.eq(request.context.msi_mask)]
        with m.State("MSI"):
            m.d.comb += index.start.eq(1)
            m.next = "MSI READ"
        with m.State("MSI READ"):
            wide = index.base[params.ppn_bits:].any()
            m.d.comb += [table.request.p.addr.eq(Cat(index.offset, index.base)),
                         table.request.p.len.eq(params.msi_mrif), table.request.p.word.eq(0),
                         table.request.valid.eq(index.done & ~wide)]
            with m.If(index.done & wide):
                end(Cause.MSI_PTE_LOAD_FAULT)
            with m.Elif(table.request.valid & table.request.ready):
                m.next = "MSI WAIT"
        with m.State("MSI WAIT"):
            m.d.sync += [reply.page.ppn.eq(entry.ppn), reply.page.covers.eq(0),
                         reply.flags.x.eq(0), reply.guest_fault.number.eq(entry.number)]
            with m.If(table.reply.valid & table.reply.last):
                end(entry.cause)
                with m.If(entry.cause == TO_FILE):
                    m.d.sync += reply.guest_fault.gpn.eq(entry.gpn)
