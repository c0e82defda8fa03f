"""What a step of a page walk does."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.hpm import HpmEvent
from rtl.spec.page_table import VPN_BITS

from .entry_update import EntryUpdates
from .events import EventSignature, tell
from .geometry import beyond_guest, entry_offset, first_top, guest_top, is_narrow, root_part
from .guest_cache import GuestSignature, usable
from .msi_table import MsiEntry, is_msi
from .msi_walk import MsiPlaces, msi_steps
from .page_table import Entry
from .permissions import access_fault, guest_page_fault, page_fault
from .records import Kind, narrow, qos_layout, whole
from .tables import ReadSignature, WriteSignature
from .walk_reads import TableRead
from .walk_state import (
    FoundSignature,
    ResultSignature,
    Step,
    add_leaf,
    keep_leaf,
    next_page,
    state_layout,
    walk_signature,
)

__all__ = ["WalkStep"]


class WalkStep(wiring.Component):
    """Look at where a walk is, and at what was read for it, and tell what is next. Combinational.

    What walks share is here, too: updates of entries, and places in MSI page tables.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    steps, walk, request, state : ``In(...)``
        A step of this walk is to be done; what was asked for, and where it is.
    reply : ``In(...)``
        What was read for it, in the cycle in which it arrives.
    current, blocked : ``In(1)``
        It has met no invalidation; it must not read in this cycle.
    kept, continues : ``Out(...)``
        Where it is then, and whether it has something more to do without waiting for anything.
    woken : ``Out(walks)``
        Walks that have waited and now have something to do.
    push : ``Out(TableRead(params))``
        Read this.
    result, store, store_qos, locks, holds, found, guest, started, event
        As in :class:`~rtl.iommu.page_walker.PageWalker`.

    Source
    ------
    RISC-V Privileged Architecture, sections "Virtual Address Translation Process" and "Guest
    Physical Address Translation"; RISC-V IOMMU Architecture Specification, section "Process to
    translate an IOVA", steps 16 to 20.
    """

    def __init__(self, params: IommuParams):
        self.params, two = params, params.two_stage
        super().__init__({
            "steps": In(1), "walk": In(range(params.walks)), "current": In(1), "blocked": In(1),
            "request": In(walk_signature(params).request_shape), "state": In(state_layout(params)),
            "reply": In(ReadSignature(params.phys_bits).members["reply"].signature.flip()),
            "kept": Out(state_layout(params)), "continues": Out(1),
            "locks": Out(1), "holds": In(1), "woken": Out(params.walks),
            "push": Out(TableRead(params)), "result": Out(ResultSignature(params)),
            "store": Out(WriteSignature(params.phys_bits)), "store_qos": Out(qos_layout(params)),
            "found": Out(FoundSignature(params)),
            "guest": Out(GuestSignature(params)).array(int(params.guest_entries > 0 and two)),
            "started": Out(1),
            **({"event": Out(EventSignature(params))} if params.hpm else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params, request, woken = self.params, self.request, []
        state, kept = self.state, self.kept
        self._after = after = Signal(state.shape())
        m.d.comb += [after.eq(state), kept.eq(after)]
        self._ends, self._good, self._wants = ends, good, wants = [
            Signal(name=name) for name in ("ends", "good", "wants")]
        self._told = Signal.like(self.result.reply)

        # With `wants`, read the table of either stage that is under way after this step.
        push, second, locked = self.push, after.second.any(), Const(0)
        page, level = (Mux(second, after.gpn, request.page),
                       Mux(second, after.guest_level, after.level))
        wide, short = after.base[params.ppn_bits:].any(), is_narrow(request.context, second)
        self._updates = updates = EntryUpdates(params) if params.amo_hwad else None
        if updates:
            m.submodules.updates = updates
            connect(m, updates.store, flipped(self.store))
            woken.append(updates.woken)
            locked = after.locked.bit_select(second, 1)
            m.d.comb += [
                updates.walk.eq(self.walk), updates.reads.eq(push.valid & locked),
                updates.addr.eq(push.request.addr), updates.big.eq(push.request.big),
                updates.word.eq(push.request.word), updates.user.eq(push.user),
                self.store_qos.eq(updates.store_user), self.locks.eq(updates.locks),
                updates.holds.eq(self.holds),
                updates.ends.eq(self.steps & ~kept.locked.any()),
            ]
        m.d.comb += [
            push.walk.eq(self.walk), push.request.lock.eq(locked),
            push.request.addr.eq(Cat(entry_offset(page, level, short),
                                     after.base[:params.ppn_bits])),
            push.request.word.eq(short), push.user.eq(request.context.qos),
            push.request.big.eq(Mux(second, request.context.big, request.context.sbe)),
        ]

        if params.msi:
            m.submodules.msi_places = places = MsiPlaces(params)
            m.submodules.msi_entry = msi_entry = MsiEntry(params)
            m.d.comb += [getattr(msi_entry.reply, name).eq(getattr(self.reply, name))
                         for name in self.reply.signature.members]
            m.d.comb += [
                msi_entry.kind.eq(request.kind), places.walk.eq(self.walk),
                places.gpn.eq(state.gpn), places.mask.eq(request.context.msi_mask),
                places.root.eq(request.context.msi_root)]
            woken.append(places.woken)
        fault = self._told.guest_fault
        m.d.comb += [fault.gpn.eq(state.gpn), fault.implicit.eq(~state.final | request.implicit),
                     fault.update.eq(~state.final & state.locked[:1].any())]
        for port in self.guest:
            m.d.comb += [port.gpn.eq(state.gpn), port.context.eq(request.context)]
        with m.If(self.steps):
            with m.If(self.reply.valid & (state.step != Step.MSI_ENTRY)):
                self._entry(m)
            with m.Else():
                with m.Switch(state.step):
                    with m.Case(Step.START):
                        self._start(m)
                    with m.Case(Step.READ):
                        m.d.comb += wants.eq(1)
                    if params.two_stage:
                        with m.Case(Step.GUEST):
                            self._guest(m)
                    if updates:
                        with m.Case(Step.UPDATE):
                            self._updated(m)
                    if params.msi:
                        msi_steps(m, self, places, msi_entry, after, self._told, self._end)
        with m.If(wants):
            m.d.comb += kept.step.eq(Step.ENTRY)
            with m.If(wide):
                self._end(m, access_fault(request.kind))
            if updates:
                with m.Elif(locked & updates.blocked):
                    m.d.comb += [kept.step.eq(Step.READ), updates.waits.eq(1)]
            with m.Elif(self.blocked):
                m.d.comb += [kept.step.eq(Step.READ), self.continues.eq(1)]
            with m.Else():
                m.d.comb += push.valid.eq(1)
        self._results(m, ends, good)
        m.d.comb += self.woken.eq(sum(woken, Const(0, params.walks))[:params.walks])
        return m

    def _results(self, m, ends, good):
        """Tell the result of the walk that ends; its state is made ready for the next page."""
        params, request, state, told = self.params, self.request, self.state, self._told
        result, key, context = self.result, self.result.key, self.request.context
        keep = ends & good & self.current & ~request.implicit.any()
        m.d.sync += [
            result.valid.eq(ends), result.walk.eq(self.walk), result.reply.eq(told),
            result.good.eq(good), result.keep.eq(keep),
            result.more.eq(keep & ~told.page.covers.any() & ~context.msi.any() &
                           (state.table.hit if params.two_stage else 1) &
                           ~request.page[:VPN_BITS].all()),
        ]
        m.d.sync += [key[name].eq(value)
                     for name, value in key.shape().of(request.page, context).items()]
        with m.If(context.msi.any()):   # any page of it may be an interrupt file
            m.d.comb += told.page.covers.eq(0)
        with m.If(ends):
            m.d.comb += next_page(params, state, self.kept, context)

    def _end(self, m, cause, good=0):
        """End the walk."""
        m.d.comb += [self._ends.eq(1), self._good.eq(good), self._told.cause.eq(cause)]

    def _translate(self, m, ppn, *, last):
        """Go on with the second stage."""
        m.d.comb += [self._after.gpn.eq(ppn), self._after.final.eq(last),
                     self._after.step.eq(Step.GUEST), self.continues.eq(1)]

    def _arrive(self, m, valid, base, g):
        """Tell where the table of leaves is."""
        found = self.found
        m.d.comb += [
            found.valid.eq(valid & self.current),
            found.page.eq(self.request.page), found.context.eq(self.request.context),
            found.table.hit.eq(1), found.table.base.eq(base), found.table.g.eq(g),
        ]
        if self.params.two_stage:
            with m.If(valid):
                m.d.comb += self._after.table.eq(found.table)

    def _start(self, m):
        """Find the first table, and what needs none."""
        request, context, state = self.request, self.request.context, self.state
        counts = context.paged & ~request.bypass & ~request.ahead.any()
        m.d.comb += self.started.eq(counts)
        if self.params.hpm:
            tell(m, self.event, HpmEvent.FIRST_STAGE_WALK, counts & request.canonical, context)
        with m.If(request.bypass | ~(context.paged | context.guest.any())):
            self._end(m, access_fault(request.kind))
        with m.Elif(context.paged & ~request.canonical):
            self._end(m, page_fault(request.kind))
        if self.params.two_stage:
            with m.Elif(~context.paged):
                self._translate(m, request.page, last=1)
            # To update an entry, the guest page of its table must be known.
            with m.Elif(context.guest & (~state.table.hit |
                                         context.sade.any() & ~request.ahead.any())):
                m.d.comb += [self._after.level.eq(first_top(context)), self._after.table.eq(0)]
                self._translate(m, context.root, last=0)
        with m.Else():
            m.d.comb += self._wants.eq(1)

    def _entry(self, m):
        """Look at the entry that arrives."""
        params, reply, two = self.params, self.reply, self.params.two_stage
        request, context = self.request, self.request.context
        state, after = self.state, self._after
        second, final = state.second.any(), state.final if two else Const(1)
        guest_on = context.guest.any()  # `~` of what has no bits would not be true
        m.submodules.entry = entry = Entry(params)
        m.d.comb += [
            entry.word.eq(reply.data), entry.level.eq(Mux(second, state.guest_level, state.level)),
            entry.page.eq(Mux(second, state.gpn, request.page)), entry.sum.eq(context.sum),
            entry.access.kind.eq(
                Mux(second & (~final | request.implicit),
                    Mux(state.locked[:1].any(), Kind.WRITE, Kind.READ), request.kind)),
            entry.access.privileged.eq(request.privileged & ~second),
            entry.narrow.eq(is_narrow(context, second)),
        ]
        update = Mux(second, context.gade, context.sade).any() & ~request.ahead.any()
        beyond = entry.ppn[params.ppn_bits:].any()

        with m.If(reply.error):
            self._end(m, Mux(reply.poison, Cause.PAGE_TABLE_CORRUPTION,
                             access_fault(request.kind)))
        with m.Elif(entry.malformed | entry.denied | entry.unmarked & ~update):
            self._end(m, Mux(second, guest_page_fault(request.kind), page_fault(request.kind)))
        if self._updates:
            with m.Elif(entry.unmarked):
                self._update(m, entry, second)
        with m.Elif(entry.leaf):
            add_leaf(m, params, state, self._told, entry, entry.flags, second)
            if two:
                for known in self.guest:
                    m.d.comb += [
                        known.fill.eq(second & ~beyond & self.current),
                        known.new.flags.eq(entry.flags), known.new.page.ppn.eq(entry.ppn),
                        known.new.page.pbmt.eq(entry.pbmt),
                        known.new.page.covers.eq(entry.covers & whole(params))]
                with m.If(second & ~final):
                    m.d.comb += [after.second.eq(0), after.base.eq(entry.ppn), self._wants.eq(1)]
                    self._arrive(m, (state.level == 0) & ~beyond, entry.ppn, state.g)
                with m.Elif(~second & context.guest):
                    keep_leaf(m, after, self._told)
                    self._translate(m, entry.ppn, last=1)
            with m.If(Mux(second, final, ~guest_on)):
                self._end(m, Mux(beyond, access_fault(request.kind), Cause.NONE), ~beyond)
        with m.Else():
            base, g = narrow(params, entry.ppn), state.g | entry.flags.g
            m.d.comb += [after.base.eq(base), self._wants.eq(~guest_on | second)]
            with m.If(~second):
                m.d.comb += [after.level.eq(state.level - 1), after.g.eq(g)]
                self._arrive(m, (state.level == 1) & ~guest_on & ~beyond, base, g)
            if two:
                with m.If(second):
                    m.d.comb += after.guest_level.eq(state.guest_level - 1)
                with m.Elif(context.guest):
                    self._translate(m, entry.ppn, last=0)

    def _update(self, m, entry, second):
        """Read the entry again, exclusively, and then write it.

        In a virtual machine, the guest page of the table is looked at again to find out whether it
        may be written.
        """
        state, after, updates = self.state, self._after, self._updates
        m.d.comb += updates.data.eq(entry.marked)
        with m.If(state.locked.bit_select(second, 1)):
            m.d.comb += [updates.write.eq(1), after.step.eq(Step.UPDATE)]
        with m.Else():
            m.d.comb += [after.locked.bit_select(second, 1).eq(1), self._wants.eq(1)]
            if self.params.two_stage:
                with m.If(~second & self.request.context.guest):
                    m.d.comb += self._wants.eq(0)
                    self._translate(m, state.gpn, last=0)

    def _updated(self, m):
        """Read the entry once more, or again if somebody else has written it."""
        updates = self._updates
        with m.If(updates.error):
            self._end(m, access_fault(self.request.kind))
        with m.Else():
            m.d.comb += self._wants.eq(1)
            with m.If(~updates.missed):
                m.d.comb += self._after.locked.bit_select(self.state.second.any(), 1).eq(0)

    def _guest(self, m):
        """Begin with the second stage for the page ``gpn``."""
        params, request, context = self.params, self.request, self.request.context
        state, after, gpn = self.state, self._after, self.state.gpn
        implicit = ~state.final | request.implicit
        beyond = beyond_guest(params, gpn, context)
        interrupts = is_msi(gpn, context).any() & ~implicit
        m.d.comb += [after.second.eq(1), after.guest_level.eq(guest_top(context)),
                     after.base.eq(context.guest_root | root_part(params, gpn, context))]
        if params.hpm:
            tell(m, self.event, HpmEvent.SECOND_STAGE_WALK,
                 ~beyond & ~request.ahead.any() & ~interrupts, context)
        known = Const(0)
        for port in self.guest:
            known = usable(port, request, gpn, state.final, state.locked[:1].any())
        with m.If(known):
            for port in self.guest:
                with m.If(state.final):
                    add_leaf(m, params, state, self._told, port.leaf.page, port.leaf.flags,
                             Const(1))
                    self._end(m, Cause.NONE, 1)
                with m.Else():
                    m.d.comb += [after.second.eq(0), after.base.eq(port.leaf.page.ppn),
                                 self._wants.eq(1)]
                    self._arrive(m, state.level == 0, port.leaf.page.ppn, state.g)
        with m.Elif(interrupts):
            m.d.comb += [after.step.eq(Step.MSI), self.continues.eq(1)]
        with m.Elif(beyond):
            self._end(m, guest_page_fault(request.kind))
        with m.Else():
            m.d.comb += self._wants.eq(1)
