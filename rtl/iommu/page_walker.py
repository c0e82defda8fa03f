"""Walks of the page tables of both stages."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import IommuParams
from rtl.spec.hpm import HpmEvent
from rtl.spec.page_table import VPN_BITS

from .events import EventSignature, tell
from .guest_cache import GuestSignature
from .onehot import encode, lowest
from .records import qos_layout
from .tables import ReadSignature, WriteSignature
from .walk_cache import ShortcutLayout
from .walk_reads import WalkReads
from .walk_state import (
    FoundSignature,
    ResultSignature,
    StartSignature,
    first_read,
    first_state,
    state_layout,
)
from .walk_step import WalkStep

__all__ = ["PageWalker"]


class PageWalker(wiring.Component):
    """Read page-table entries from the root down, for several walks at once.

    There is one set of checks for all walks: in each cycle it does a step of one of them, of that
    whose entry arrives, else of the lowest that has something to do. What a walk has found so far
    is in a small memory. A walk has one table under way: that of the first stage, or that of the
    second stage for a guest page, which is that of the next entry of the first stage, or in the end
    that of the page itself.

    A walk of ``n`` entries takes ``n * (latency + 1)`` cycles from ``start`` to ``result``, with an
    idle memory that answers in ``latency`` cycles and no other walk; the first read is in the cycle
    of ``start``. With a shortcut ``n`` is one. If there is a second stage it takes a cycle more for
    each guest page, and two to begin.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``walks`` is how many walks there may be at once.

    Members
    -------
    start : ``In(StartSignature(params))``
        Walks to begin.
    go : ``In(walks)``
        Begin with walks that were held; or again with one that has ended, perhaps for another page
        of the same table, which ``index`` now tells.
    index, ahead, stale : ``In(...)``, one for each walk
        Lowest bits of the page number; nobody has asked for it; it has met an invalidation.
    flush : ``In(1)``
        An invalidation is in progress.
    locks, holds : ``Out(1)``, ``In(1)``
        A walk updates an entry; none may begin to.
    result : ``Out(ResultSignature(params))``
        Results, at most one in a cycle.
    table : ``Out(ReadSignature(phys_bits))``
        Page-table entries; a read for each walk may be under way, and they are answered in order.
    store : ``Out(WriteSignature(phys_bits))``
        Entries whose A or D is set, by an exclusive read and write, for one walk at a time.
    table_qos, store_qos : ``Out(qos_layout(params))``
        Identifiers of those accesses.
    found : ``Out(...)``
        ``valid`` and ``table``: where the table of leaves is for ``page`` in ``context``.
    started : ``Out(1)``
        Strobe: a walk of the first stage begins, for an access.
    guest : ``Out(GuestSignature(params))``
        Guest pages that are known; with a second stage and ``guest_entries``.
    events : ``Out(EventSignature(params)).array(2)``
        Walks of either stage for an access, as they begin; with ``hpm``.

    Source
    ------
    RISC-V Privileged Architecture, sections "Virtual Address Translation Process" and "Guest
    Physical Address Translation"; RISC-V IOMMU Architecture Specification, section "Process to
    translate an IOVA", steps 16 to 20.
    """

    def __init__(self, params: IommuParams):
        self._params, two, walks = params, params.two_stage, params.walks
        super().__init__({
            "start": In(StartSignature(params)), "go": In(walks),
            "index": In(VPN_BITS).array(walks), "ahead": In(walks), "stale": In(walks),
            "flush": In(1), "locks": Out(1), "holds": In(1), "result": Out(ResultSignature(params)),
            "table": Out(ReadSignature(params.phys_bits)),
            "store": Out(WriteSignature(params.phys_bits)),
            "table_qos": Out(qos_layout(params)), "store_qos": Out(qos_layout(params)),
            "found": Out(FoundSignature(params)),
            "guest": Out(GuestSignature(params)).array(int(params.guest_entries > 0 and two)),
            "started": Out(1), "events": Out(EventSignature(params)).array(2 * params.hpm),
        })

    def elaborate(self, platform):
        m = Module()
        params, walks, start = self._params, self._params.walks, self.start
        m.submodules.reads = reads = WalkReads(params)
        connect(m, reads.table, flipped(self.table))
        m.d.comb += self.table_qos.eq(reads.table_user)
        arrives = self.table.reply.valid

        # Whose turn it is: of those that have something to do, or begin with it.
        runs, fresh = Signal(walks), Signal(walks)
        mine, walk, steps = Signal(walks), Signal(range(walks)), Signal()
        m.d.comb += [
            steps.eq(arrives | runs.any()),
            mine.eq(Mux(arrives, Cat(reads.walk == k for k in range(walks)), lowest(runs))),
            walk.eq(Mux(arrives, reads.walk, encode(lowest(runs)))),
        ]

        # What is known of that walk, and after this step.
        shape = data.StructLayout({
            "request": start.request.shape(), "shortcut": ShortcutLayout(params)})
        m.submodules.requests = requests = memory.Memory(shape=shape, depth=walks, init=[])
        m.submodules.states = states = memory.Memory(
            shape=state_layout(params), depth=walks, init=[])
        keep, recall = requests.write_port(), requests.read_port(domain="comb")
        store, load = states.write_port(), states.read_port(domain="comb")
        m.submodules.step = step = WalkStep(params)
        request, state = step.request, step.state
        m.d.comb += [
            keep.en.eq(start.valid), keep.addr.eq(start.walk),
            keep.data.request.eq(start.request), keep.data.shortcut.eq(start.shortcut),
            recall.addr.eq(walk), request.eq(recall.data.request),
            load.addr.eq(walk), state.eq(load.data),
            store.addr.eq(walk), store.data.eq(step.kept), store.en.eq(steps),
        ]
        if params.prefetch:
            m.d.comb += request.ahead.eq((mine & self.ahead).any())
        for k, index in enumerate(self.index):
            with m.If(mine[k]):
                m.d.comb += request.page[:VPN_BITS].eq(index)
        with m.If((mine & fresh).any()):
            m.d.comb += first_state(params, state, request, recall.data.shortcut)

        for name in ("result", "store", "found"):
            connect(m, getattr(step, name), flipped(getattr(self, name)))
        for k, guest in enumerate(step.guest):
            connect(m, guest, flipped(self.guest[k]))
        begins = self._begin(m, reads)
        m.d.comb += [
            step.steps.eq(steps), step.walk.eq(walk), step.blocked.eq(begins),
            step.current.eq(~(mine & self.stale).any() & ~self.flush),
            self.store_qos.eq(step.store_qos), self.locks.eq(step.locks),
            step.holds.eq(self.holds), self.started.eq(begins | step.started),
            *(getattr(step.reply, name).eq(getattr(self.table.reply, name))
              for name in step.reply.signature.members),
        ]
        connect(m, step.push, reads.push)
        if params.hpm:
            connect(m, step.event, flipped(self.events[1]))

        new = Mux(start.valid, Cat(start.walk == k for k in range(walks)), 0)
        done = Mux(steps, mine, 0)
        m.d.sync += [
            fresh.eq(fresh & ~done | new),
            runs.eq(runs & ~done | Mux(step.continues, mine, 0) | self.go | step.woken |
                    Mux(start.hold | begins, 0, new)),
        ]
        return m

    def _begin(self, m, reads):
        """Read for a walk that begins, if nothing else comes first. Returns whether."""
        start, begin = self.start, reads.begin
        request, context = start.request, start.request.context
        direct, addr = first_read(self._params, request, start.shortcut)
        m.d.comb += [
            begin.valid.eq(start.valid & ~start.hold & ~request.ahead.any() & direct &
                                 reads.idle),
            begin.walk.eq(start.walk), begin.request.addr.eq(addr),
            begin.request.word.eq(context.sxl), begin.user.eq(context.qos),
            begin.request.big.eq(context.sbe),
        ]
        if self._params.hpm:
            tell(m, self.events[0], HpmEvent.FIRST_STAGE_WALK, begin.valid, context)
        return begin.valid
