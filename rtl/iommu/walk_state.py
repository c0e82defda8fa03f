"""What a page walker keeps of each walk, and what it tells about it."""

from amaranth import *
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import Out

from rtl.params import IommuParams

from .geometry import entry_offset, first_top
from .records import (
    PAGE_NUMBER_BITS,
    Kind,
    context_layout,
    guest_fault_layout,
    leaf_layout,
    table_bits,
    whole,
)
from .service import ServiceSignature
from .tlb_entry import KeyLayout
from .walk_cache import ShortcutLayout

__all__ = ["FoundSignature", "ResultSignature", "StartSignature", "Step", "add_leaf",
           "first_read", "first_state", "keep_leaf", "next_page", "state_layout", "walk_signature"]


def walk_signature(params: IommuParams) -> ServiceSignature:
    """Make the service that a walk does.

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


class Step(enum.Enum, shape=3):
    """What a walk has to do next."""

    START = 0           # find the first table
    READ = 1            # read the table under way
    ENTRY = 2           # look at what was read
    GUEST = 3           # begin with the second stage for a guest page
    UPDATE = 4          # look at how the update of an entry went
    MSI = 5             # find the place in the MSI page table
    MSI_READ = 6        # read that
    MSI_ENTRY = 7       # look at what was read there


def state_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of where a walk is.

    ``level`` and ``base`` of the table under way. ``g``: an entry on the way was global. With a
    second stage: whether that table is one of it (``second``, with ``guest_level``), for the guest
    page ``gpn``, which is the ``final`` one or that of a table; where the ``table`` of leaves was
    found; and what the leaf of the first stage permits. ``locked``: the entry of either stage is
    being updated; it is read again, exclusively.
    """
    two = params.two_stage
    return data.StructLayout({
        "step": Step, "level": range(params.levels), "base": table_bits(params), "g": 1,
        "second": two, "final": two, "guest_level": two and (params.guest_levels - 1).bit_length(),
        "gpn": PAGE_NUMBER_BITS * two, "table": ShortcutLayout(params) if two else 0,
        "covers": two and params.depth, "pbmt": 2 * params.svpbmt * two,
        "r": two, "w": two, "x": two, "u": two, "locked": 2 * params.amo_hwad})


class StartSignature(wiring.Signature):
    """Walks to begin. Directions are those of who wants them.

    ``valid``, in one cycle: begin with walk number ``walk``, unless to ``hold`` it until it is to
    go on; ``request`` and ``shortcut`` are those of the walk.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "valid": Out(1), "hold": Out(1), "walk": Out(range(params.walks)),
            "request": Out(walk_signature(params).request_shape),
            "shortcut": Out(ShortcutLayout(params))})


class FoundSignature(wiring.Signature):
    """Tables of leaves. Directions are the walker's.

    ``valid`` and ``table``: where that for ``page`` in ``context`` is.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "valid": Out(1), "table": Out(ShortcutLayout(params)),
            "page": Out(PAGE_NUMBER_BITS), "context": Out(context_layout(params))})


class ResultSignature(wiring.Signature):
    """Results of walks, from registers. Directions are the walker's.

    Members
    -------
    valid, walk, reply : ``Out(...)``
        The walk has ended, in this cycle only; with what reply.
    good : ``Out(1)``
        Without a fault.
    keep : ``Out(1)``
        It may be cached, for ``key``; low if not ``valid``.
    more : ``Out(1)``
        It may, and the page after it is in the same table, and like it of 4 KiB.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "valid": Out(1), "walk": Out(range(params.walks)),
            "reply": Out(walk_signature(params).reply_shape),
            "good": Out(1), "keep": Out(1), "more": Out(1), "key": Out(KeyLayout(params))})


def add_leaf(m: Module, params: IommuParams, state: data.View, reply: data.View,
             leaf: data.View, permits: data.View, second: Value) -> None:
    """Tell in ``reply`` what the translation permits and covers with this leaf of either stage."""
    page, flags = reply.page, reply.flags
    m.d.comb += [
        page.ppn.eq(leaf.ppn), page.covers.eq(leaf.covers & whole(params)),
        page.pbmt.eq(leaf.pbmt), flags.eq(permits), flags.g.eq(state.g | permits.g & ~second),
    ]
    if params.two_stage:
        m.d.comb += [
            page.covers.eq(state.covers & leaf.covers & whole(params)),
            page.pbmt.eq(Mux(state.pbmt.any(), state.pbmt, leaf.pbmt)),
            flags.r.eq(state.r & permits.r), flags.w.eq(state.w & permits.w),
            flags.x.eq(state.x & permits.x), flags.u.eq(Mux(second, state.u, permits.u))]


def keep_leaf(m: Module, after: data.View, reply: data.View) -> None:
    """Keep what the leaf of the first stage permits and covers."""
    page, flags = reply.page, reply.flags
    m.d.comb += [after.covers.eq(page.covers), after.pbmt.eq(page.pbmt)]
    m.d.comb += [after[name].eq(flags[name]) for name in "rwxug"]


def first_read(params: IommuParams, request: data.View,
               shortcut: data.View) -> tuple[Value, Value]:
    """Tell whether a walk begins with a read of the first stage, and where."""
    context = request.context
    # To update an entry, the guest page of its table must be known.
    short = shortcut.hit & ~(context.guest.any() & context.sade.any())
    direct = (context.paged & request.canonical & ~request.bypass &
              (short | ~context.guest.any() & ~context.root[params.ppn_bits:].any()))
    return direct, Cat(
        entry_offset(request.page, Mux(short, 0, first_top(context)), context.sxl),
        Mux(short, shortcut.base, context.root)[:params.ppn_bits])


def first_state(params: IommuParams, state: data.View, request: data.View,
                shortcut: data.View) -> list:
    """Make ``state`` that of a walk that begins."""
    context, short = request.context, shortcut.hit
    begin = [
        state.step.eq(Step.START), state.level.eq(Mux(short, 0, first_top(context))),
        state.base.eq(Mux(short, shortcut.base, context.root)), state.g.eq(short & shortcut.g),
        state.locked.eq(0)]
    if not params.two_stage:
        return begin
    return [*begin, state.table.eq(Mux(short, shortcut.as_value(), 0)), *_second(state)]


def next_page(params: IommuParams, state: data.View, after: data.View,
              context: data.View) -> list:
    """Make ``after`` ready for another page of the same table of leaves, or for the same page.

    Without a second stage, the walk is still at the table of the entry that has ended it.
    """
    again = [after.step.eq(Step.START), after.locked.eq(0)]
    if not params.two_stage:
        return [*again, after.g.eq(state.g)]
    table = state.table
    return [*again, after.level.eq(Mux(table.hit, 0, first_top(context))),
            after.base.eq(Mux(table.hit, table.base, context.root)),
            after.g.eq(table.hit & table.g), *_second(after)]


def _second(state: data.View) -> list:
    """Nothing is known of the second stage."""
    return [state.second.eq(0), state.final.eq(0), state.covers.eq(-1), state.pbmt.eq(0),
            *(state[name].eq(1) for name in "rwxu")]
